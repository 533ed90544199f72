"""pydantic's findings as mistakes that name the setting, its value, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from settings.mistakes.constraints import Mistake
from settings.values import Values

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def explained(
    where: str, data: Mapping[str, Any], error: ValidationError, model: type[Values]
) -> Iterator[Mistake]:
    """pydantic's findings as mistakes that say what would be right."""
    found = error.errors()
    for finding in found:
        here = finding["loc"]
        if any(
            len(other["loc"]) > len(here) and other["loc"][: len(here)] == here for other in found
        ):
            continue  # a list is too short only because of what is wrong with its members
        setting = str(finding["loc"][0])
        if len(finding["loc"]) > 1 and _model_in(model.model_fields[setting].annotation):
            yield _inside(where, data, finding, model)
        elif finding["type"] == "missing":
            yield Mistake(
                where, setting, "(not set)", model.model_fields[setting].description or ""
            )
        elif finding["type"] == "extra_forbidden":
            close = difflib.get_close_matches(setting, model.model_fields, n=1)
            hint = (
                f"did you mean {close[0]}?" if close else "see group_data/all.py for what there is"
            )
            yield Mistake(where, setting, data[setting], f"there is no such setting; {hint}")
        else:
            right = model.model_fields[setting].description or finding["msg"]
            yield Mistake(where, setting, data[setting], f"give {right}")


def _inside(
    where: str, data: Mapping[str, Any], finding: ErrorDetails, model: type[Values]
) -> Mistake:
    """The same of a value that is part of a setting, as `upstreams[app].servers[0]`."""
    first, *steps = finding["loc"]
    setting, right = str(first), model.model_fields[str(first)].description or ""
    inner, given = _model_in(model.model_fields[str(first)].annotation), data.get(str(first))
    for step in steps:
        if isinstance(step, int):
            # Written as a dict, a person knows it by its key.
            key = list(given)[step] if isinstance(given, Mapping) and step < len(given) else step
            setting += f"[{key}]"
            given = given[key] if isinstance(given, (Mapping, list, tuple)) else None
            continue
        given = given.get(step) if isinstance(given, Mapping) else given
        if inner and step in inner.model_fields:
            field = inner.model_fields[step]
            setting, right = f"{setting}.{step}", field.description or right
            inner = _model_in(field.annotation) or inner
        else:
            setting = f"{setting}.{step}"
    if finding["type"] == "extra_forbidden" and inner:
        close = difflib.get_close_matches(str(steps[-1]), inner.model_fields, n=1)
        there = (
            f"did you mean {close[0]}?" if close else f"there are {', '.join(inner.model_fields)}"
        )
        return Mistake(where, setting, given, f"there is no such setting; {there}")
    value = "(not set)" if finding["type"] == "missing" else finding["input"]
    if finding["type"] == "value_error" and inner and str(steps[-1]) not in inner.model_fields:
        return Mistake(where, setting, value, str(finding["ctx"]["error"]))
    return Mistake(where, setting, value, f"give {right}")


def _model_in(annotation: Any) -> type[Values] | None:
    """The group of settings that a field's type is about, None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Values):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
