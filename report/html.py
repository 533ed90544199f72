"""Fills a template into one HTML file that needs nothing else: no script, font or other file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

SHARED = Path(__file__).with_name("templates")


@cache
def _environment(templates: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([templates, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(templates: Path, template: str, **values: object) -> str:
    """The page by `template` in the folder `templates`, beside what all pages share.

    A name that the template knows and `values` lacks is an error, not a gap.
    """
    return _environment(templates).get_template(template).render(**values)
