"""Generations: all that makes an nginx, each in a directory that never changes.

Below STATE/generations: `about` (build, port, ...), `unit`, and `etc/`, the files for /etc/nginx.
Four links name those that matter: staged (what is wanted), current and previous (the last two that
were seen healthy), and before: what was in place when a change began, while it is under way.
"""

import os

from apply_nginx import layout
from apply_nginx.service_manager import parse_properties
from common.commands import run
from common.machine_files import content, link, read


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
        self.unit = content(os.path.join(directory, "unit"))
        self.run = read(os.path.join(directory, "run"))
        etc = os.path.join(directory, "etc")
        self.files = {
            os.path.relpath(os.path.join(parent, name), etc): content(os.path.join(parent, name))
            for parent, _, names in os.walk(etc)
            for name in names
        }

    @property
    def binary(self):
        return os.path.join(layout.BUILDS, self.build, "nginx")


def linked(name):
    """The generation that the link `name` points to; None where there is none."""
    directory = os.path.realpath(layout.in_state(name))
    return StoredGeneration(directory) if os.path.isfile(os.path.join(directory, "about")) else None


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

    The directory gets its name by a rename, when it is complete.
    """
    directory = layout.in_state("generations", name)
    if not os.path.isfile(os.path.join(directory, "about")):
        partial = layout.in_state("generations", f".{name}.new")
        remove(partial)
        os.makedirs(os.path.join(partial, "etc"))
        try:
            fill(partial)
            os.rename(partial, directory)
        finally:
            remove(partial)
    return StoredGeneration(directory)


def remove(path):
    run("rm", "-rf", "--", path)


def build_of(path):
    """The build whose binary `path` is; "" for a deleted file and for any other path."""
    directory, name = os.path.split(path)
    parent, build = os.path.split(directory)
    return build if (parent, name) == (layout.BUILDS, "nginx") else ""
