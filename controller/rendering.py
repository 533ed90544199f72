"""Templates and files of this repository as text, rendered from values and never from hosts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

from controller.cache import cache_directory
from settings import Refused

_ROOT = Path(__file__).resolve().parent.parent
FILES = _ROOT / "files"


def _compiled() -> FileSystemBytecodeCache | None:
    """Templates that were compiled before: that takes longer than all else about them."""
    try:
        return FileSystemBytecodeCache(str(cache_directory("templates")))
    except Refused:
        return None  # a home that cannot be written is no reason to stop


@cache
def environment(directory: Path = _ROOT / "templates") -> Environment:
    """Templates of a directory; those of this repository by default."""
    # A name that does not exist is a mistake in a template, not an empty string in a configuration.
    return Environment(
        bytecode_cache=_compiled(),
        loader=FileSystemLoader(directory),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, **values: Any) -> str:
    """The text of templates/`template` with `values` filled in."""
    return environment().get_template(template).render(**values)


def read(name: str) -> str:
    """The text of files/`name`."""
    return (FILES / name).read_text()
