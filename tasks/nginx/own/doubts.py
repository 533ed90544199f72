"""What a person should know of their own pieces, though nothing of it is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from settings import Node
from settings.own_pieces import FILES, LEVELS, SERVER, SNIPPETS
from tasks.nginx import doubtful_headers, server_names
from tasks.nginx.own import companions, own_files
from tasks.nginx.own.own_files import ROOT, OwnFiles
from tasks.nginx.server_names import Listen

DEFAULT, DEFAULT_FILES = "files/nginx/conf.d", "files/nginx"
# What `nginx_files` may have.
_LEVELS = (*(level for level in LEVELS if level != SNIPPETS), FILES)


def unused(node: Node, own: OwnFiles) -> dict[str, list[str]]:
    """The files that no machine gets, by the setting's directory that they lie in."""
    sources = [piece.source for piece in own.pieces] + [each.source for each in own.brought]
    known = {(ROOT / source).absolute() for source in sources}
    found: dict[str, list[str]] = {}
    for given, paths in (
        (node.nginx_snippets, _in_snippets(node)),
        (node.nginx_files, _in_files(node)),
    ):
        top = (ROOT / given).absolute()
        names = [
            str(path.relative_to(top))
            for path in _files(paths)
            if path not in known and _is_meant(path) and ".git" not in path.relative_to(top).parts
        ]
        if names:
            found[given] = names
    return found


def _is_meant(path: Path) -> bool:
    return path.name not in (*companions.NOT_MEANT, companions.EXPLAINED)


def _in_snippets(node: Node) -> list[Path]:
    """What is looked at there: not the levels, where both settings name one directory."""
    top = (ROOT / node.nginx_snippets).absolute()
    both = top.resolve() == (ROOT / node.nginx_files).resolve()
    return [path for path in sorted(top.iterdir()) if not both or path.name not in _LEVELS]


def _in_files(node: Node) -> list[Path]:
    """What is looked at there. In the default directory Tandem has files of its own beside the
    levels; only what ends in .d may be meant for one."""
    top, snippets = ((ROOT / given).absolute() for given in (node.nginx_files, node.nginx_snippets))
    if top.resolve() == snippets.resolve():
        return [top / name for name in _LEVELS if (top / name).exists()]
    default = top.resolve() == (ROOT / DEFAULT_FILES).resolve()
    return [
        path
        for path in sorted(top.iterdir())
        if path.resolve() != snippets.resolve()
        and (path.name in _LEVELS or not default or path.name.endswith(".d"))
        # (of_nobody tells of that one.)
        and not (default and path.name == SNIPPETS)
    ]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            yield from (
                each for each in sorted(path.rglob("*")) if each.is_symlink() or not each.is_dir()
            )
        else:
            yield path


def all_of(node: Node, own: OwnFiles) -> Iterator[str]:
    """Everything, a line each."""
    for given, left in unused(node, own).items():
        yield (
            f"{given}: not used: {', '.join(left)}. What is: *.conf and *.conf.j2 "
            "(letters, digits, '.', '_', '-'), and files beside them that these name, as in "
            f"`auth_basic_user_file {Path(left[0]).name};`; everything in "
            f"{node.nginx_files}/{FILES}" + ("" if node.perl else "; *.pm with perl = True")
        )
    yield from _sites_that_are_none(node)
    named = {place.upstream for place in node.every_place}
    texts = [one.text for one in own.texts]
    for upstream in node.upstreams:
        if upstream.name not in named and not any(_mentions(upstream.name, text) for text in texts):
            yield (
                f"upstreams[{upstream.name}]: nothing is proxied to it: name it in `proxy`, or in "
                f"a snippet as `proxy_pass http://{upstream.name};`"
            )
    yield from doubtful_headers.doubts(((one.source, one.text) for one in own.texts), node.release)
    for one in own.texts:
        for server in server_names.servers(one.text):
            for listen in server_names.alone(server, _everywhere(node)):
                yield (
                    f"{one.source}:{server.line}: listen {listen}: nginx then gives all that comes "
                    "to this address to the servers that name it: the default server and the sites "
                    f"are not reached there. `listen {listen.port};` shares it with them"
                )


def _sites_that_are_none(node: Node) -> Iterator[str]:
    """Directories in server.d that are named like no server."""
    directory = ROOT / node.nginx_files / SERVER
    every = own_files.servers(node)
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.is_dir() and path.name not in every:
            near = difflib.get_close_matches(path.name, every, 1)
            meant = f"is {near[0]} meant? " if near else ""
            yield (
                f"{node.nginx_files}/{SERVER}/{path.name}: there is no such site: {meant}A "
                f"directory there is for one server: {', '.join(every)}"
            )


def _mentions(upstream: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w.-]){re.escape(upstream)}(?![\w.-])", text))


def of_nobody(nodes: Iterable[Node]) -> Iterator[str]:
    """What lies where the settings look by default, while those of all machines look elsewhere."""
    every = list(nodes)
    if not _names(DEFAULT, [node.nginx_snippets for node in every]):
        names = sorted(path.name for path in (ROOT / DEFAULT).glob("*.conf*"))
        if names:
            yield f"{DEFAULT}: not used: {', '.join(names)}. No machine's nginx_snippets names it"
    if not _names(DEFAULT_FILES, [node.nginx_files for node in every]):
        top = ROOT / DEFAULT_FILES
        levels = [top / name for name in _LEVELS if (top / name).is_dir()]
        names = sorted(str(path.relative_to(top)) for path in _files(levels) if _is_meant(path))
        if names:
            told = f"{DEFAULT_FILES}: not used: {', '.join(names)}"
            yield f"{told}. No machine's nginx_files names it"


def _names(directory: str, given: Iterable[str]) -> bool:
    return (ROOT / directory).resolve() in {(ROOT / each).resolve() for each in given}


def _everywhere(node: Node) -> list[Listen]:
    """Where the default server and all sites listen."""
    ports = {node.http_port, node.served_port}
    families = (server_names.EVERY, *([server_names.EVERY6] if node.ipv6 else []))
    return [Listen(family, port) for family in families for port in sorted(ports)]
