"""What comes with a person's pieces: files beside them that they name, and all of `files`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller import rendering
from settings import Cluster, Node, Refused, nginx_paths
from settings.own_pieces import FILES, SERVER, SNIPPETS
from tasks.nginx.own import own_files
from tasks.nginx.own.own_files import ETC, ROOT, Companion, OwnFiles, Snippet

# What Tandem itself has there.
TAKEN = (
    *("nginx.conf", "mime.types", "upstreams.conf", "stream.conf"),
    *("headers.conf", "header_values.conf"),
)
TAKEN_DIRECTORIES = ("sites", "tls", "auth")
# What nginx, or Debian's nginx, has in /etc/nginx, and many a configuration includes.
FILES_OF_TANDEM = rendering.FILES / "nginx" / "standard"
STANDARD = (
    *("fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params"),
    *("proxy_params", "snippets/fastcgi-php.conf"),
)
# What lies beside pieces and is meant for no machine.
NOT_MEANT = (".gitignore", ".gitattributes", ".gitkeep")
EXPLAINED = "README.md"
LARGEST_BYTES = 8 << 20
# Of all that is in `files`: a configuration, which each machine tests, keeps and rolls back.
MOST_BYTES = 64 << 20
MOST_FILES = 500
# It stands in lists of names, one a line, between spaces.
_NAME = re.compile(r"[\w.+@%,~:-]+(/[\w.+@%,~:-]+)*", re.ASCII)


def own(node: Node, cluster: Cluster) -> OwnFiles:
    """All of a machine's. Raises `SettingsError` that names the files, and `Refused` for what is
    too large."""
    return with_companions(node, own_files.render(node, cluster))


def with_companions(node: Node, pieces: Sequence[Snippet]) -> OwnFiles:
    """The pieces with what comes with them. Raises `Refused` for what is too large."""
    found = {each.path: each for each in _tree(node)}
    texts = list(pieces)
    for text in texts:
        for named in nginx_paths.named_paths(text.text):
            place = named.path.removeprefix(ETC)
            if not named.path.startswith(ETC) or named.open_end or _is_ours(place, node):
                continue
            included = named.directive == "include"
            before = found.get(place)
            path = None if before else _source(place, text, node)
            yields = bool(before and before.yields)
            if not before and not path and included and place in STANDARD:
                path, yields = FILES_OF_TANDEM / place, True
            if not before and not path:
                continue
            content = before.content if before else _content(path, node)
            source = before.source if before else _shown(path)
            if included and not (before and before.configuration):
                texts.append(Snippet(place, content.decode(errors="replace"), source))
            found[place] = Companion(
                place,
                content,
                source,
                workers=named.need == nginx_paths.READ or bool(before and before.workers),
                configuration=included or bool(before and before.configuration),
                yields=yields,
            )
    return OwnFiles(tuple(pieces), tuple(found[place] for place in sorted(found)))


def _is_ours(place: str, node: Node) -> bool:
    first = place.partition("/")[0]
    return place in TAKEN or first in TAKEN_DIRECTORIES or place in parameters(node)


def parameters(node: Node) -> set[str]:
    """Tandem's own files for what the settings pass on, by their names below /etc/nginx."""
    kinds = {place.kind for place in node.every_place}
    return {f"{kind}.conf" for kind in kinds & {"fastcgi", "uwsgi"}}


def _source(place: str, text: Snippet, node: Node) -> Path | None:
    """The file here that is meant by a place below /etc/nginx, as `text` names it: beside that
    one, in the directory of the level that it says, or in `files`."""
    if not _NAME.fullmatch(place):
        return None
    given = own_files.directories(node)
    level, _, rest = place.partition("/")
    beside = (text.level if text.level in given else SNIPPETS), place
    candidates = [(level, rest)] if level in given and rest else [beside]
    if text.source.rpartition("/")[0] not in given.values():
        candidates.append((SNIPPETS, place))
    for its, name in candidates:
        path = ROOT / given[its] / name
        if path.is_file() and ("/" in name or not own_files.is_piece(path, its, node)):
            return path
    path = ROOT / node.nginx_files / FILES / place
    return path if path.is_file() else None


def _shown(path: Path | None) -> str:
    """A path as people know it: from the repository's root, if it is in there."""
    assert path
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def in_tree(node: Node) -> Iterator[Path]:
    """Every file that is in `files`, whatever its name."""
    directory = ROOT / node.nginx_files / FILES
    for path in sorted(directory.rglob("*")) if directory.is_dir() else ():
        inside = path.relative_to(directory)
        meant = path.name not in NOT_MEANT and str(inside) != EXPLAINED
        if path.is_file() and meant and ".git" not in inside.parts:
            yield path


def _tree(node: Node) -> Iterator[Companion]:
    """What is in `files`. Raises `Refused` for what is too much, or has names that cannot be."""
    directory = f"{node.nginx_files}/{FILES}"
    all_bytes = 0
    for count, path in enumerate(in_tree(node), 1):
        inside = path.relative_to(ROOT / directory)
        if not _NAME.fullmatch(str(inside)) or len(str(inside)) > 90:
            _refuse(
                f"{directory}/{inside}: the name of what is brought to /etc/nginx has at most 90 "
                "characters, letters, digits and any of . _ + @ % , ~ : -; give it another",
                node,
            )
        content = _content(path, node)
        all_bytes += len(content)
        if all_bytes > MOST_BYTES or count > MOST_FILES:
            _refuse(
                f"{directory}: it has more than {MOST_BYTES >> 20} MB, or more than {MOST_FILES} "
                "files, which each deploy would test and keep. What is served is a site's content: "
                'sites = [{"server_names": [...], "content": "DIRECTORY"}]',
                node,
            )
        yield Companion(f"{FILES}/{inside}", content, f"{directory}/{inside}")


def _content(path: Path | None, node: Node) -> bytes:
    assert path
    try:
        if path.stat().st_size <= LARGEST_BYTES:
            return path.read_bytes()
        why = f"it is larger than {LARGEST_BYTES >> 20} MB: bring it to the machines by other means"
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
    _refuse(f"{_shown(path)}: {why}", node)
    return b""


def _refuse(what: str, node: Node) -> None:
    raise Refused(f"{what}. For {node.name}; no machine was touched.")


def sources(own: OwnFiles) -> list[str]:
    """ "NAME=SOURCE" for each file of /etc/nginx that nginx may blame and that is made of one
    here."""
    return [
        *(f"{piece.place}={piece.source}" for piece in own.pieces),
        *(
            f"{each.path}={each.source}"
            for each in own.brought
            if each.configuration or not each.path.startswith(f"{FILES}/")
        ),
    ]


def directories(node: Node) -> list[str]:
    """Those below /etc/nginx that companions may have made, none before one that is in it."""
    found: set[str] = {FILES, SERVER}
    for level, given in {
        **own_files.directories(node),
        FILES: f"{node.nginx_files}/{FILES}",
    }.items():
        for path in (ROOT / given).rglob("*"):
            if path.is_dir() and _NAME.fullmatch(inside := str(path.relative_to(ROOT / given))):
                found |= {inside, f"{level}/{inside}"}
    return sorted(found - set(TAKEN_DIRECTORIES), reverse=True)
