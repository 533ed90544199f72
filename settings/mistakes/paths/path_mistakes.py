"""What cannot work about the directories that nginx may use beside its own."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes.mistake import Mistake
from settings.nginx_paths import is_below
from settings.node import Node

# Whoever can write here, or above it, can do more than serve pages.
PROTECTED = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"),
    *("/var/lib/tandem", "/var/cache/tandem"),
)
# Each has what many others own.
TOO_WIDE = ("/home", "/root", "/srv", "/opt", "/mnt", "/tmp", "/var/tmp", "/var/log", "/var/www")


def _written(node: Node) -> Iterator[Mistake]:
    """Directories that nginx must not write, or that are gone after each boot."""
    for path in node.nginx_writable_paths:
        guarded = [one for one in PROTECTED if is_below(path, one) or is_below(one, path)]
        if guarded:
            remedy = f"{guarded[0]} is the system's or Tandem's; give a directory like /srv/NAME"
        elif is_below(path, "/run"):
            remedy = "it is empty after each boot; sockets may be in /run/nginx, which nginx has"
        elif is_below(path, "/tmp"):
            remedy = "it may be empty after each boot; give a directory like /var/cache/NAME"
        elif path in TOO_WIDE:
            remedy = f"give the directory in it that is nginx's, like {path}/nginx"
        else:
            continue
        yield Mistake(node.name, "nginx_writable_paths", path, remedy)


def _twice(node: Node) -> Iterator[Mistake]:
    twice = set(node.nginx_writable_paths) & set(node.nginx_readable_homes)
    for path in sorted(twice):
        remedy = "it is in nginx_writable_paths, too, which lets nginx read it as well"
        yield Mistake(node.name, "nginx_readable_homes", path, remedy)


PARTS = (_written, _twice)
