"""Generations: all that makes an nginx, each in a directory that never changes.

Below STATE/generations: `about` (build, port, ...), `unit`, `etc/`, the files for /etc/nginx, and
`sums`, the digests of all those, by which one that a power cut has spoiled is known.
Four links name those that matter: staged (what is wanted), current and previous (the last two that
were seen healthy), and before: what was in place when a change began, while it is under way.
"""

import hashlib
import os

from apply_nginx import layout
from apply_nginx.serving.service_manager import parse_properties
from common.commands import run
from common.machine_files import content, link, read, sync_directory, sync_file, write

LINKS = ("staged", "current", "previous", "before")


class StoredGeneration:
    """One generation, read: its `build`, `unit` and `files` for /etc/nginx (name: bytes)."""

    def __init__(self, directory):
        self.directory = directory
        self.name = os.path.basename(directory)
        about = parse_properties(read(os.path.join(directory, "about")))
        self.build = about.get("build", "")
        self.port = int(about.get("port", "80"))
        self.drain_timeout_s = float(about.get("drain_timeout_s", "300"))
        self.cache = about.get("cache", "")
        self.workers_read = frozenset(about.get("workers_read", "").split())
        self.unit = content(os.path.join(directory, "unit"))
        etc = os.path.join(directory, "etc")
        self.files = {
            os.path.relpath(os.path.join(parent, name), etc): content(os.path.join(parent, name))
            for parent, _, names in os.walk(etc)
            for name in names
        }
        # What nginx itself has under that name: somebody's own, in its place, stays.
        deployed = read(layout.in_state("manifest")).split("\n")
        for name in about.get("yielding", "").split():
            if name not in deployed and os.path.lexists(layout.in_etc(name)):
                self.files.pop(name, None)

    @property
    def is_whole(self):
        """Whether its files are those that were put there; of one without digests nobody knows."""
        sums = content(os.path.join(self.directory, "sums"))
        return sums is None or sums == _sums(self.directory)

    @property
    def binary(self):
        return os.path.join(layout.BUILDS, self.build, "nginx")


def digest(files):
    """12 digits for the content of `files` (path: bytes)."""
    together = hashlib.sha256()
    for path, data in sorted(files.items()):
        together.update(f"{path}\0{len(data)}\0".encode() + data)
    return together.hexdigest()[:12]


def _sums(directory):
    """As `sha256sum` prints them; without the `run` that earlier versions have kept in it."""
    paths = [
        os.path.join(parent, name) for parent, _, names in os.walk(directory) for name in names
    ]
    names = sorted(os.path.relpath(path, directory) for path in paths)
    lines = [
        f"{hashlib.sha256(content(os.path.join(directory, name)) or b'').hexdigest()}  {name}\n"
        for name in names
        if name not in ("sums", "run")
    ]
    return "".join(lines).encode()


def stored(name):
    """The generation `name`, None where it is not there, or not whole any more."""
    directory = layout.in_state("generations", name)
    if not os.path.isfile(os.path.join(directory, "about")):
        return None
    found = StoredGeneration(directory)
    return found if found.is_whole else None


def linked(name):
    """The whole generation that the link `name` points to; None where there is none."""
    path = layout.in_state(name)
    return stored(os.path.basename(os.readlink(path))) if os.path.islink(path) else None


def set_link(name, generation_name):
    """Point the link `name` to a generation, by one rename."""
    path, target = layout.in_state(name), os.path.join("generations", generation_name)
    if not (os.path.islink(path) and os.readlink(path) == target):
        link(path, target)


def is_changing():
    """Whether a change is under way, or was when its run was killed."""
    return os.path.lexists(layout.in_state("before"))


def end_change():
    if is_changing():
        os.unlink(layout.in_state("before"))


def create(name, fill):
    """The generation `name`; if it is not there, `fill(directory)` writes it first.

    The directory gets its name by a rename, when it is complete and on the disk.
    """
    directory = layout.in_state("generations", name)
    if stored(name) is None:
        partial = layout.in_state("generations", f".{name}.new")
        remove(partial)
        os.makedirs(os.path.join(partial, "etc"))
        try:
            fill(partial)
            write(os.path.join(partial, "sums"), _sums(partial), 0o640)
            _sync(partial)
            remove(directory)  # a spoiled one
            os.rename(partial, directory)
            sync_directory(os.path.dirname(directory))
        finally:
            remove(partial)
    return StoredGeneration(directory)


def _sync(directory):
    for parent, _, names in os.walk(directory):
        for name in names:
            sync_file(os.path.join(parent, name))
        sync_directory(parent)


def names_of_files():
    """The names of the files in /etc/nginx that any generation here has."""
    found = set()
    for name in os.listdir(layout.in_state("generations")):
        etc = layout.in_state("generations", name, "etc")
        for parent, _, names in os.walk(etc):
            found |= {os.path.relpath(os.path.join(parent, each), etc) for each in names}
    return found


def remove(*paths):
    run("rm", "-rf", "--", *paths)


def build_of(path):
    """The build whose binary `path` is; "" for a deleted file and for any other path."""
    directory, name = os.path.split(path)
    parent, build = os.path.split(directory)
    return build if (parent, name) == (layout.BUILDS, "nginx") else ""
