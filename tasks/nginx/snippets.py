"""A person's own pieces of nginx configuration: copied, or rendered if their name ends in .j2; and
files beside them that they name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller import rendering
from settings import (
    Bars,
    Cluster,
    Mistake,
    Node,
    Refused,
    SettingsError,
    TypedMistake,
    nginx_paths,
)
from settings.values import NotRead
from tasks.nginx import doubtful_headers, server_names
from tasks.nginx.server_names import Listen

ROOT = Path(__file__).resolve().parents[2]
ETC = "/etc/nginx/"
DEFAULT = "files/nginx/conf.d"
# What Tandem itself has there.
TAKEN = ("nginx.conf", "mime.types", "upstreams.conf", "headers.conf", "header_values.conf")
# What lies beside snippets and is meant for no machine.
NOT_MEANT = ("README.md", ".gitignore", ".gitattributes", ".gitkeep")
LARGEST_BYTES = 8 << 20


@dataclass(frozen=True)
class Snippet:
    """One file for /etc/nginx/conf.d, and the file here that it is made from."""

    name: str
    text: str
    source: str


@dataclass(frozen=True)
class Companion:
    """A file that a snippet names and that lies beside it. It may hold a secret.

    + path: its place below /etc/nginx; source: the file here.
    + workers: nginx's workers read it, and not the master alone.
    + configuration: a part of nginx's configuration, by `include`.
    """

    path: str
    content: bytes = field(repr=False)
    source: str
    workers: bool = False
    configuration: bool = False


def render(node: Node, cluster: Cluster) -> list[Snippet]:
    """The snippets of `nginx_snippets`, by name. Raises `SettingsError` that names the files."""
    found, wrong = read(node, cluster)
    if wrong:
        raise SettingsError(wrong)
    return found


def mistakes(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """What keeps snippets from being made, as far as the settings could be read."""
    for cluster in clusters:
        for node in cluster.nodes:
            try:
                yield from read(node, cluster)[1]
            except NotRead:
                continue


def read(node: Node, cluster: Cluster) -> tuple[list[Snippet], list[Mistake]]:
    """The snippets, and what is wrong with others."""
    given = node.nginx_snippets
    directory = ROOT / given
    wrong: list[Mistake] = []
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        remedy = f"there is no such directory ({error.strerror}); give one with your *.conf"
        return [], [Mistake(node.name, "nginx_snippets", given, remedy, Bars.DEPLOY)]
    found: dict[str, Snippet] = {}
    for path in paths:
        if not _is_snippet(path, node):
            continue
        source = f"{node.nginx_snippets}/{path.name}"
        name = path.name.removesuffix(".j2")
        if name in found:
            both = f"{source} and {found[name].source} are both {name}: remove one"
            wrong.append(TypedMistake.saying(both))
            continue
        try:
            text = path.read_text()
            if name != path.name:
                template = rendering.environment(directory).get_template(path.name)
                text = template.render(node=node, cluster=cluster)
        except NotRead:
            continue  # it has what is another mistake
        except Exception as error:  # a template is a program
            line = getattr(error, "lineno", None)
            where = f"{source}:{line}" if line else source
            told = f"{where}: {error}. A snippet knows `node` and `cluster`, with the settings of "
            wrong.append(TypedMistake.saying(f"{told}group_data/all.py as node.NAME."))
            continue
        found[name] = Snippet(name, text, source)
    return list(found.values()), wrong


def _is_snippet(path: Path, node: Node) -> bool:
    kinds = r"(\.conf(\.j2)?|\.pm)" if node.perl else r"\.conf(\.j2)?"
    return bool(re.fullmatch(rf"[\w-][\w.-]*{kinds}", path.name)) and path.is_file()


def companions(node: Node, written: Sequence[Snippet]) -> list[Companion]:
    """The files beside the snippets `written` that these name, as nginx understands the name: below
    /etc/nginx, or in its conf.d. Raises `Refused` for one that is too large for a configuration."""
    there = {
        path.name: path
        for path in (ROOT / node.nginx_snippets).iterdir()
        if path.is_file() and not _is_snippet(path, node) and re.fullmatch(r"[\w.+@-]+", path.name)
    }
    found: dict[str, Companion] = {}
    texts = [snippet.text for snippet in written]
    for text in texts:
        for named in nginx_paths.named_paths(text):
            place = named.path.removeprefix(ETC)
            path = there.get(place.removeprefix("conf.d/"))
            if not path or not named.path.startswith(ETC) or named.open_end or place in TAKEN:
                continue
            before, included = found.get(place), named.directive == "include"
            if not before or (included and not before.configuration):
                content = _content(path, node)
                texts += [content.decode(errors="replace")] if included else []
            else:
                content = before.content
            found[place] = Companion(
                place,
                content,
                f"{node.nginx_snippets}/{path.name}",
                workers=named.need == nginx_paths.READ or bool(before and before.workers),
                configuration=included or bool(before and before.configuration),
            )
    return [found[place] for place in sorted(found)]


def _content(path: Path, node: Node) -> bytes:
    try:
        if path.stat().st_size <= LARGEST_BYTES:
            return path.read_bytes()
        why = f"it is larger than {LARGEST_BYTES >> 20} MB: bring it to the machines by other means"
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
    raise Refused(
        f"{node.nginx_snippets}/{path.name}: {why}, for {node.name}. No machine was touched."
    )


def unused(node: Node, written: Sequence[Snippet], brought: Sequence[Companion]) -> list[str]:
    """The files in the snippets' directory, and below it, that no machine gets."""
    directory = ROOT / node.nginx_snippets
    known = {each.source for each in written} | {each.source for each in brought}
    return [
        str(path.relative_to(directory))
        for path in sorted(directory.rglob("*"))
        if (path.is_symlink() or not path.is_dir())
        and f"{node.nginx_snippets}/{path.relative_to(directory)}" not in known
        and path.name not in NOT_MEANT
        and ".git" not in path.relative_to(directory).parts
    ]


def sources(node: Node, cluster: Cluster) -> list[str]:
    """ "NAME=SOURCE" for each file of /etc/nginx that is made of one here."""
    written = render(node, cluster)
    return [
        *(f"conf.d/{snippet.name}={snippet.source}" for snippet in written),
        *(f"{each.path}={each.source}" for each in companions(node, written)),
    ]


def doubts(node: Node, cluster: Cluster) -> Iterator[str]:
    """What a person should know of what is in the directory. Raises `Refused` as `render` does."""
    written = render(node, cluster)
    brought = companions(node, written)
    if left := unused(node, written, brought):
        yield (
            f"{node.nginx_snippets}: not used: {', '.join(left)}. What is: *.conf and *.conf.j2 "
            "(letters, digits, '.', '_', '-'), and files beside them that these name, as in "
            f"`auth_basic_user_file {Path(left[0]).name};`"
            + ("" if node.perl else "; *.pm with perl = True")
        )
    named = {location.upstream for location in node.proxy}
    texts = [one.text for one in _parts(written, brought)]
    for upstream in node.upstreams:
        if upstream.name not in named and not any(_mentions(upstream.name, text) for text in texts):
            yield (
                f"upstreams[{upstream.name}]: nothing is proxied to it: name it in `proxy`, or in "
                f"a snippet as `proxy_pass http://{upstream.name};`"
            )
    own = ((one.source, one.text) for one in _parts(written, brought))
    yield from doubtful_headers.doubts(own, node.release)
    for one in _parts(written, brought):
        for server in server_names.servers(one.text):
            for listen in server_names.alone(server, _everywhere(node)):
                yield (
                    f"{one.source}:{server.line}: listen {listen}: nginx then gives all that comes "
                    "to this address to the servers that name it: the default server and the sites "
                    f"are not reached there. `listen {listen.port};` shares it with them"
                )


def _mentions(upstream: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w.-]){re.escape(upstream)}(?![\w.-])", text))


def of_nobody(directories: Iterable[str]) -> Iterator[str]:
    """The snippets that lie where the settings look by default, while they look elsewhere.

    + directories: the `nginx_snippets` of every machine of the inventory.
    """
    if (ROOT / DEFAULT).resolve() in {(ROOT / each).resolve() for each in directories}:
        return
    names = sorted(path.name for path in (ROOT / DEFAULT).glob("*.conf*"))
    if names:
        yield f"{DEFAULT}: not used: {', '.join(names)}. No machine's nginx_snippets names it"


def _everywhere(node: Node) -> list[Listen]:
    """Where the default server and all sites listen."""
    ports = {node.http_port, node.served_port}
    families = (server_names.EVERY, *([server_names.EVERY6] if node.ipv6 else []))
    return [Listen(family, port) for family in families for port in sorted(ports)]


def _parts(written: Sequence[Snippet], brought: Sequence[Companion]) -> list[Snippet]:
    """All that is configuration."""
    included = [
        Snippet(each.path, each.content.decode(errors="replace"), each.source)
        for each in brought
        if each.configuration
    ]
    return [*written, *included]


def refuse_walled(node: Node, written: Sequence[Snippet], brought: Sequence[Companion]) -> None:
    """Raise `SettingsError` with all in the snippets that nginx's unit does not let it use."""
    if mistakes := list(_walled(node, _parts(written, brought))):
        raise SettingsError(mistakes)


def of_all(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """Mistakes of several machines, each once with all that have it: "host1, host2, FILE:LINE"."""
    names: dict[Mistake, list[str]] = {}
    for mistake in mistakes:
        name, _, place = mistake.where.partition(", ")
        names.setdefault(mistake._replace(where=place), []).append(name)
    for mistake, whose in names.items():
        where = ", ".join([*sorted(whose), *filter(None, [mistake.where])])
        yield mistake._replace(where=where)


def taken(
    node: Node, written: Sequence[Snippet], brought: Sequence[Companion], ours: str
) -> Iterator[Mistake]:
    """Names that nginx would answer from a snippet alone, and what they are names of.

    + ours: the text of nginx.conf, whose names they must not take.
    """
    sites = {name: f"sites[{i}]" for i, site in enumerate(node.sites) for name in site.server_names}
    texts = [(one.source, one.text) for one in _parts(written, brought)]
    for one in server_names.taken(ours, texts):
        setting, value = "server_name", one.name
        if not one.name:
            setting, value = "listen", f"{one.where} default_server"
        if one.name in sites:
            whose, instead = f"{sites[one.name]} in the settings", "another name"
            free = f", or take it out of {sites[one.name]}"
        else:
            whose, instead, free = "the default server", "a name of its own", ""
        yield Mistake(
            f"{node.name}, {one.source}:{one.line}",
            setting,
            value,
            f"on {one.where} this is {whose}, which Tandem writes into {ETC}nginx.conf: nginx "
            f"would serve one of them alone. Give the snippet {instead} or another port{free}",
        )


def _walled(node: Node, parts: Sequence[Snippet]) -> Iterator[Mistake]:
    """What nginx's unit does not let it use.

    nginx's own test would find the half of them: what its workers use, it never looks at.
    """
    for part in parts:
        for named in nginx_paths.named_paths(part.text):
            if remedy := nginx_paths.forbidden(named, node.walls):
                where = f"{node.name}, {part.source}:{named.line}"
                yield Mistake(where, named.directive, named.path, remedy)
    for part in parts:
        for one in nginx_paths.transparent_binds(nginx_paths.directives(part.text)):
            where, value = f"{node.name}, {part.source}:{one.line}", " ".join(one.words[1:])
            yield Mistake(where, one.words[0], value, nginx_paths.NO_TRANSPARENT_BIND)
