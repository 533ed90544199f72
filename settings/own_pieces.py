"""The levels of a person's own nginx configuration, each a directory, and what they ask for."""

from __future__ import annotations

import re
from pathlib import Path

from settings.values import local_path

# Of `nginx_files`; what lies in the last three is inside blocks of Tandem's own.
MAIN, HTTP, SERVER, STREAM = "main.d", "http.d", "server.d", "stream.d"
# What `nginx_snippets` names is of http's level, too, and has this name on the machines.
SNIPPETS = "conf.d"
# In the order in which nginx reads them.
LEVELS = (MAIN, STREAM, HTTP, SNIPPETS, SERVER)
# Brought whole, whatever it is.
FILES = "files"
# What nginx is compiled with for `stream`.
STREAM_FLAG = "--with-stream"


def has_streams(nginx_files: str) -> bool:
    """Whether there is something of stream's level, for the value of the setting `nginx_files`."""
    directory = local_path(nginx_files) / STREAM
    return any(map(_is_piece, directory.iterdir())) if directory.is_dir() else False


def has_locations(nginx_files: str) -> bool:
    """Whether there is something inside of servers: of all of them, or of one."""
    directory = local_path(nginx_files) / SERVER
    return any(map(_is_piece, directory.rglob("*"))) if directory.is_dir() else False


def _is_piece(path: Path) -> bool:
    return bool(re.fullmatch(r"[\w-][\w.-]*\.conf(\.j2)?", path.name))
