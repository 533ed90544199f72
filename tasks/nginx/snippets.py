"""A person's own pieces of nginx configuration: copied, or rendered if their name ends in .j2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError

from controller import rendering
from settings import Cluster, Mistake, Node, Refused, SettingsError, nginx_paths

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Snippet:
    """One file for /etc/nginx/conf.d, and the file here that it is made from."""

    name: str
    text: str
    source: str


def render(node: Node, cluster: Cluster) -> list[Snippet]:
    """The snippets of `nginx_snippets`, by name. Raises `Refused` that names the file."""
    directory = ROOT / node.nginx_snippets
    if not directory.is_dir():
        raise Refused(
            f"{node.name}: nginx_snippets = {node.nginx_snippets}: there is no such directory. "
            "No machine was touched."
        )
    found: dict[str, Snippet] = {}
    for path in sorted(directory.iterdir()):
        kinds = r"(\.conf(\.j2)?|\.pm)" if node.perl else r"\.conf(\.j2)?"
        if not re.fullmatch(rf"[\w-][\w.-]*{kinds}", path.name) or not path.is_file():
            continue
        source = f"{node.nginx_snippets}/{path.name}"
        name = path.name.removesuffix(".j2")
        if name in found:
            raise Refused(f"{source} and {found[name].source} are both {name}: remove one.")
        try:
            text = path.read_text()
            if name != path.name:
                template = rendering.environment(directory).get_template(path.name)
                text = template.render(node=node, cluster=cluster)
        except (TemplateError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None)
            where = f"{source}:{line}" if line else source
            raise Refused(
                f"{where}: {error}, for {node.name}. No machine was touched. A snippet knows "
                "`node` and `cluster`, with the settings of group_data/all.py as node.NAME."
            ) from error
        found[name] = Snippet(name, text, source)
    return list(found.values())


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
