"""Fills a template into one HTML file that needs nothing else: no script, font or other file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")


@cache
def stylesheet(name: str) -> Markup:
    """A stylesheet of ours, to be written into a page as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals["stylesheet"] = stylesheet
    return found


def fill(template: str, **values: object) -> str:
    """The page. A name that the template knows and `values` lacks is an error, not a gap."""
    return _environment().get_template(template).render(**values)
