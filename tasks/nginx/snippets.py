"""A person's own pieces of nginx configuration: copied, or rendered if their name ends in .j2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError

from controller import rendering
from settings import Bars, Cluster, Mistake, Node, SettingsError, TypedMistake, nginx_paths
from settings.values import NotRead

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Snippet:
    """One file for /etc/nginx/conf.d, and the file here that it is made from."""

    name: str
    text: str
    source: str


def render(node: Node, cluster: Cluster) -> list[Snippet]:
    """The snippets of `nginx_snippets`, by name. Raises `SettingsError` that names the files."""
    found, wrong = _read(node, cluster)
    if wrong:
        raise SettingsError(wrong)
    return found


def mistakes(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """What keeps snippets from being made, as far as the settings could be read."""
    for cluster in clusters:
        for node in cluster.nodes:
            try:
                yield from _read(node, cluster)[1]
            except NotRead:
                continue


def _read(node: Node, cluster: Cluster) -> tuple[list[Snippet], list[Mistake]]:
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
        kinds = r"(\.conf(\.j2)?|\.pm)" if node.perl else r"\.conf(\.j2)?"
        if not re.fullmatch(rf"[\w-][\w.-]*{kinds}", path.name) or not path.is_file():
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
        except (TemplateError, UnicodeDecodeError, OSError) as error:
            line = getattr(error, "lineno", None)
            where = f"{source}:{line}" if line else source
            told = f"{where}: {error}. A snippet knows `node` and `cluster`, with the settings of "
            wrong.append(TypedMistake.saying(f"{told}group_data/all.py as node.NAME."))
            continue
        found[name] = Snippet(name, text, source)
    return list(found.values()), wrong


def refuse_walled_paths(node: Node, written: list[Snippet]) -> None:
    """Raise `SettingsError` with all in them that nginx's unit does not let it use.

    nginx's own test would find the half of them: what its workers use, it never looks at.
    """
    mistakes = [
        Mistake(f"{node.name}, {snippet.source}:{named.line}", named.directive, named.path, remedy)
        for snippet in written
        for named in nginx_paths.named_paths(snippet.text)
        if (remedy := nginx_paths.forbidden(named, node.walls))
    ]
    mistakes += [
        Mistake(
            f"{node.name}, {snippet.source}:{one.line}",
            one.words[0],
            " ".join(one.words[1:]),
            nginx_paths.NO_TRANSPARENT_BIND,
        )
        for snippet in written
        for one in nginx_paths.transparent_binds(nginx_paths.directives(snippet.text))
    ]
    if mistakes:
        raise SettingsError(mistakes)
