"""Reads what is said of the files and servers that snippets name. Pure; text in, values out."""

from __future__ import annotations

from typing import NamedTuple

from verify.read.lists import counted

KINDS = ("file", "directory", "missing")
# How curl says what went wrong.
_PROBLEMS = {
    5: "its name is not known",
    6: "its name is not known",
    7: "refuses the connection",
    35: "has no TLS session",
    52: "gives an empty answer",
    56: "resets the connection",
}
_NO_TIME = 28


class NamedFile(NamedTuple):
    """A path that a snippet names, on one machine. `digest` is comparable within one run; `where`:
    the file of configuration, below /etc/nginx."""

    kind: str
    digest: str
    directive: str
    where: str

    @property
    def may_come_later(self) -> bool:
        """Whether nginx does without it until it is there."""
        return self.directive in ("root", "alias")


def named_files(text: str) -> dict[str, NamedFile]:
    """By path. Raises ValueError for what is no whole list."""
    found: dict[str, NamedFile] = {}
    for line in counted(text, "{} named"):
        kind, digest, directive, path, where = line.split(" ")
        if kind not in KINDS or not path.startswith("/"):
            raise ValueError(line)
        found[path] = NamedFile(kind, digest, directive, where)
    return found


class AskedServer(NamedTuple):
    """A server behind nginx that a machine has asked. `whose`: the upstream, or the file, that
    names it; `problem`: why it does not serve, "" if it does."""

    address: str
    whose: str
    problem: str


def servers(text: str) -> tuple[AskedServer, ...]:
    """Raises ValueError for what is no whole list."""
    return tuple(sorted(map(_server, counted(text, "{} servers"))))


def _server(line: str) -> AskedServer:
    how, code, connected_s, address, whose = line.split(" ")
    if how not in ("http", "tcp"):
        raise ValueError(line)
    connected = connected_s != "-" and float(connected_s) > 0
    status = int(code)
    if not status or (how == "tcp" and connected):
        problem = ""
    elif status == _NO_TIME:
        problem = "accepts, and does not answer" if connected else "does not accept a connection"
    else:
        problem = _PROBLEMS.get(status, f"does not answer as HTTP (curl exits {status})")
    return AskedServer(address, whose, problem)
