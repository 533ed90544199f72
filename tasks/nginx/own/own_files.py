"""A person's own pieces of nginx configuration, of all levels: copied, or rendered if their name
ends in .j2; with the files that come with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller import rendering
from settings import Bars, Cluster, Mistake, Node, SettingsError, TypedMistake
from settings.own_pieces import FILES, HTTP, LEVELS, MAIN, SERVER, SNIPPETS, STREAM
from settings.serving.serving_settings import DEFAULT_SERVER
from settings.values import NotRead

ROOT = Path(__file__).resolve().parents[3]
ETC = "/etc/nginx/"


@dataclass(frozen=True)
class Snippet:
    """One piece of configuration.

    + place: its file below /etc/nginx, whose directory is its level; source: the file here.
    """

    place: str
    text: str
    source: str

    @property
    def level(self) -> str:
        """main.d, http.d, conf.d, server.d or stream.d."""
        return self.place.partition("/")[0]


@dataclass(frozen=True)
class Companion:
    """A file that comes with the pieces: beside one that names it, or in `files`. It may hold a
    secret.

    + path: its place below /etc/nginx; source: the file here.
    + workers: nginx's workers read it, and not the master alone.
    + configuration: a part of nginx's configuration, by `include`.
    + yields: a machine that has a file there that no deploy has put there keeps that one.
    """

    path: str
    content: bytes = field(repr=False)
    source: str
    workers: bool = False
    configuration: bool = False
    yields: bool = False


@dataclass(frozen=True)
class OwnFiles:
    """All of one machine's."""

    pieces: tuple[Snippet, ...] = ()
    brought: tuple[Companion, ...] = ()

    @property
    def directories(self) -> frozenset[str]:
        """Those below /etc/nginx that have pieces: a level, and of a server's own both."""
        return frozenset(piece.place.rpartition("/")[0] for piece in self.pieces)

    @property
    def workers_read(self) -> tuple[str, ...]:
        """The companions that workers read and that lie beside others: `files` are all theirs."""
        return tuple(
            each.path
            for each in self.brought
            if each.workers and not each.path.startswith(f"{FILES}/")
        )

    @property
    def texts(self) -> tuple[Snippet, ...]:
        """All that is configuration."""
        included = (
            Snippet(each.path, each.content.decode(errors="replace"), each.source)
            for each in self.brought
            if each.configuration
        )
        return (*self.pieces, *included)

    def of_levels(self, *levels: str) -> Iterator[Snippet]:
        """The pieces of these levels, in the order in which nginx reads them."""
        order = {level: place for place, level in enumerate(LEVELS)}
        of_them = (piece for piece in self.pieces if piece.level in levels)
        yield from sorted(of_them, key=lambda piece: (order[piece.level], piece.place))


def directories(node: Node) -> dict[str, str]:
    """The directory here of each level, by the level's name; none twice."""
    found = {SNIPPETS: node.nginx_snippets}
    for level in (MAIN, HTTP, SERVER, STREAM):
        given = f"{node.nginx_files}/{level}"
        if (ROOT / given).resolve() != (ROOT / node.nginx_snippets).resolve():
            found[level] = given
    return found


def render(node: Node, cluster: Cluster) -> list[Snippet]:
    """The pieces of all levels. Raises `SettingsError` that names the files."""
    found, wrong = read(node, cluster)
    if wrong:
        raise SettingsError(wrong)
    return found


def mistakes(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """What keeps pieces from being made, as far as the settings could be read."""
    for cluster in clusters:
        for node in cluster.nodes:
            try:
                yield from read(node, cluster)[1]
            except NotRead:
                continue


def read(node: Node, cluster: Cluster) -> tuple[list[Snippet], list[Mistake]]:
    """The pieces, and what is wrong with others."""
    found: dict[str, Snippet] = {}
    wrong: list[Mistake] = []
    for setting, what in (("nginx_snippets", "*.conf"), ("nginx_files", f"{HTTP} or {FILES}")):
        given = getattr(node, setting)
        try:
            list((ROOT / given).iterdir())
        except OSError as error:
            remedy = f"there is no such directory ({error.strerror}); give one with your {what}"
            wrong.append(Mistake(node.name, setting, given, remedy, Bars.DEPLOY))
    for level, given in directories(node).items():
        _read_into(found, wrong, given, level, node, cluster)
        for server in servers(node) if level == SERVER else ():
            one = f"{level}/{server}"
            _read_into(found, wrong, f"{given}/{server}", one, node, cluster)
    return list(found.values()), wrong


def servers(node: Node) -> tuple[str, ...]:
    """The servers that may have pieces of their own, by their names among the settings."""
    return (DEFAULT_SERVER, *(site.name for site in node.sites))


def _read_into(
    found: dict[str, Snippet],
    wrong: list[Mistake],
    given: str,
    level: str,
    node: Node,
    cluster: Cluster,
) -> None:
    directory = ROOT / given
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if not is_piece(path, level, node):
            continue
        source = f"{given}/{path.name}"
        name = path.name.removesuffix(".j2")
        place = f"{level}/{name}"
        if place in found:
            both = f"{source} and {found[place].source} are both {name}: remove one"
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
        found[place] = Snippet(place, text, source)


def is_piece(path: Path, level: str, node: Node) -> bool:
    """Whether nginx reads the file as it lies in its level's directory."""
    perl = node.perl and level == SNIPPETS
    kinds = r"(\.conf(\.j2)?|\.pm)" if perl else r"\.conf(\.j2)?"
    return bool(re.fullmatch(rf"[\w-][\w.-]*{kinds}", path.name)) and path.is_file()
