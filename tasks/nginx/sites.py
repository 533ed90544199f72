"""Sites: each in a directory by the digest of what is in it, beside others, and a link to one.

    /var/lib/tandem/sites/NAME/DIGEST.TIME/    a version; DIGEST.TIME.whole: all of it came
    /var/lib/tandem/sites/NAME/current         the one that nginx serves, changed by one rename

Content comes before the configuration that refers to it, and goes after.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pyinfra.api import FactBase, FileUploadCommand, StringCommand

from controller.batched_facts import change, lasting, parallel
from controller.cache import cache_directory
from controller.long_work import beside_others
from settings import Node, Refused, content
from settings.serving.places import Content
from settings.serving.site import SITES_ROOT
from settings.values import local_path
from tasks.machine import one_file
from tasks.machine.quoting import quoted

# Each names a version of every site that a rollback may want (files/machine/deploy_record).
INDEXES = "/var/lib/tandem/generations/*.json"
# What unpacks an upload prints nothing until it is on the disk: a slow one, and many small files.
UNPACKS_S, UNPACKED_BYTES_PER_S = 120, 2_000_000


# Shell that prints what is another for a "$version" in which anything was changed, without reading
# it: nobody can set a ctime. Compared for equality, since the machine's clock may be set.
SEEN = """find "$version" -printf '%P %s %C@\\n' | LC_ALL=C sort | sha256sum | cut -c 1-64"""


class Versions(NamedTuple):
    """What a machine has of one site, by name; those that are whole, the newest last.

    `kept`: the digests that generations of the machine name, whether those are there or not.
    `left`: what an upload that was killed has left.
    """

    current: str = ""
    whole: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def of(self, digest: str) -> str:
        """The newest version with this digest, "" for none."""
        return next((name for name in self.whole[::-1] if name.startswith(f"{digest}.")), "")


class SiteVersions(FactBase[dict[str, Versions]]):
    """Every site that is there. A version that was changed since it came is not whole."""

    default = dict

    def command(self) -> str:
        return f"""
for site in {SITES_ROOT}/*/; do
    [ -d "$site" ] || continue
    site=${{site%/}}
    echo "site ${{site##*/}} $(readlink "$site/current")"
    for version in "$site"/*/; do
        version=${{version%/}} name=${{version%/}} name=${{name##*/}}
        [ "$name" != current ] && [ -d "$version" ] || continue
        if [ -f "$version.whole" ] && [ "$({SEEN})" = "$(cat "$version.whole")" ]; then
            echo "whole $name"
        else
            echo "other $name"
        fi
    done
    for left in "$site"/.upload.* "$site"/.current.new "$site"/current.new "$site"/*.whole; do
        name=${{left##*/}}
        case $name in *.whole) [ ! -d "${{left%.whole}}" ] ;; esac || continue
        [ ! -e "$left" ] && [ ! -L "$left" ] || echo "left $name"
    done
done
sed -n 's/^ *"site \\([^"]*\\)": "\\([^"]*\\)".*/kept \\1 \\2/p' {INDEXES} 2>/dev/null || true"""

    def process(self, output: list[str]) -> dict[str, Versions]:
        found: dict[str, Versions] = {}
        name = ""
        for line in output:
            kind, _, rest = line.partition(" ")
            if kind == "site":
                name, _, current = rest.partition(" ")
                found[name] = Versions(current)
            elif kind == "whole" and name:
                whole = sorted((*found[name].whole, rest), key=_time)
                found[name] = found[name]._replace(whole=tuple(whole))
            elif kind == "kept":
                site, _, version = rest.partition(" ")
                if site in found:
                    found[site] = found[site]._replace(kept=(*found[site].kept, version))
            elif kind == "left" and name:
                found[name] = found[name]._replace(left=(*found[name].left, rest))
            elif kind == "other" and name:
                found[name] = found[name]._replace(others=(*found[name].others, rest))
        return found


def _time(version: str) -> int:
    """When it was uploaded, in µs; 0 where its name does not say."""
    when = version.rpartition(".")[2]
    return int(when) if when.isdigit() else 0


def _next_time(found: Versions) -> int:
    """For the name of a version: greater than all that are there, whatever the clocks say."""
    there = [_time(version) for version in (*found.whole, *found.others)]
    return max([time.time_ns() // 1000, *(stamp + 1 for stamp in there)])


@cache
def _digest(site: Content) -> str:
    """Read once in a run, whatever the number of machines."""
    if site.page:
        return content.page_digest(site.page)
    return content.known_digest(local_path(site.content), cache_directory("sites"))


@cache
def _archive(site: Content) -> Path:
    """The site as a file to be sent, made once in a run."""
    global _directory
    _directory = _directory or tempfile.TemporaryDirectory(prefix="tandem-sites-")
    path = Path(_directory.name) / f"{site.name}.tar"
    try:
        with path.open("wb") as file:
            if site.page:
                content.pack_page(site.page, file)
            else:
                content.pack(local_path(site.content), file)
    except OSError as error:
        raise Refused(
            f"Site {site.name} cannot be packed on this controller: {error}. See why; where "
            f"{path.parent} is full, TMPDIR may name another place than {path.parents[1]}."
        ) from error
    return path


_directory: tempfile.TemporaryDirectory[str] | None = None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def upload(node: Node) -> None:
    """Put every site's content on the machine; nothing of it is served yet."""
    parallel.request(SiteVersions)
    for site in node.contents:
        upload_site(name=f"Site {site.name}: its content is there", site=site)


def serve(node: Node) -> None:
    """Serve every site's new content. A site that is new is not served before nginx knows it."""
    if node.contents:
        serve_new(name="Sites: what is there is what is served", sites=node.contents)


def remove_old(node: Node) -> None:
    """Remove sites that are no longer set, and old versions: nothing refers to them by now."""
    remove_unserved(name="Sites: what is served no more is removed", sites=node.contents)


@change("{site.name} is there")
def upload_site(site: Content) -> Iterator[str | StringCommand | FileUploadCommand]:
    """Put the version of `site` on the machine: one archive, and only where it is missing."""
    digest = beside_others(_digest, site)
    found = parallel.get(SiteVersions).get(site.name, Versions())
    if found.of(digest):
        return
    place = f"{SITES_ROOT}/{site.name}"
    version = f"{place}/{digest}.{_next_time(found)}"
    partial = f"{place}/.upload.{one_file.RUN_TOKEN}"
    remote, archive = f"{partial}.tar", beside_others(_archive, site)
    sha256 = beside_others(_sha256, archive)
    # And what runs that were cut off have left.
    # Named, since a default ACL of the directory around counts for more than a umask.
    yield (
        f"umask 022; {quoted('mkdir', '-p', place)} && chmod 755 {SITES_ROOT} {place} && "
        f"rm -rf {place}/.upload.*"
    )
    yield FileUploadCommand(str(archive), remote)
    yield lasting(
        UNPACKS_S + archive.stat().st_size // UNPACKED_BYTES_PER_S,
        f"umask 022; {one_file.whole(remote, sha256)} && rm -rf {partial} && mkdir {partial} && "
        f"tar --extract --no-same-owner --file {remote} -C {partial} && "
        f"chmod -R u=rwX,go=rX {partial} && "
        # On the disk before it is called whole.
        f"sync -f {partial} && mv -T {partial} {version} && version={version} && "
        f'seen=$({SEEN}) && echo "$seen" >{version}.whole && sync -f {version}.whole && '
        f"rm -f {remote}",
    )


@change("all are served")
def serve_new(sites: tuple[Content, ...]) -> Iterator[str]:
    """Let each site's link name the version that is wanted, by one rename."""
    found = parallel.get(SiteVersions)
    for site in sites:
        place, digest = f"{SITES_ROOT}/{site.name}", _digest(site)
        versions = found.get(site.name, Versions())
        if versions.current and versions.current == versions.of(digest):
            continue
        yield (
            f"version=$(ls -d {place}/{digest}.*.whole | sort | tail -n 1) && "
            "version=${version##*/} && version=${version%.whole} && "
            f'ln -sfn "$version" {place}/.current.new && '
            f"mv -fT {place}/.current.new {place}/current && sync {place}"
        )


# (Of a plan nobody knows which generations are left once the run has left its own.)
@change("there is nothing to remove", counts=False)
def remove_unserved(sites: tuple[Content, ...]) -> Iterator[str]:
    """Remove what nobody serves, but for the versions that a generation of the machine names."""
    wanted = {site.name for site in sites}
    doomed: list[str] = []
    for name, versions in sorted(parallel.get(SiteVersions).items()):
        place = f"{SITES_ROOT}/{name}"
        current = versions.current if name in wanted else ""
        every = {*versions.whole, *versions.others}
        kept = {*map(versions.of, versions.kept), current} & every
        if not kept and name not in wanted:
            doomed.append(place)
            continue
        if versions.current and not current:
            doomed.append(f"{place}/current")
        doomed += [f"{place}/{left}" for left in versions.left]
        for version in sorted(every - kept):
            doomed += [f"{place}/{version}", f"{place}/{version}.whole"]
    if doomed:
        yield quoted("rm", "-rf", "--", *doomed)
