"""Data of the inventory as values, or mistakes that name the setting and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, ip_interface
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import ValidationError

from settings.mistakes.mistake import HiddenValue, Mistake, shown
from settings.mistakes.name_mistakes import SEE_SETTINGS, SETTINGS, nearest
from settings.node import SECRETS, Node
from settings.values import Values, Wrong

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T", bound=Values)
# The value of what is missing, in a mistake.
NOT_SET = "(not set)"
# What it is where the network tells nothing.
OTHERWISE = {"ntp_server": "", "smtp_server": "localhost"}


def validated(
    model: type[T], where: str, data: Mapping[str, Any], mistakes: list[Mistake]
) -> T | None:
    """`data` as `model`; or None, with what is wrong added to `mistakes`. `where`: whose it is."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        mistakes += _mistakes(where, data, error.errors(), model)
        return None


def _mistakes(
    where: str, data: Mapping[str, Any], findings: list[ErrorDetails], model: type[Values]
) -> Iterator[Mistake]:
    for finding in findings:
        if _follows_from_another(finding, findings):
            continue
        setting = str(finding["loc"][0])
        if finding["type"] == "extra_forbidden" and len(finding["loc"]) == 1:
            remedy = _unknown(setting, model, SEE_SETTINGS)
            yield Mistake(where, setting, shown(setting, data[setting]), remedy)
            continue
        field = model.model_fields[setting]
        right = field.description or ""
        if len(finding["loc"]) > 1 and _model_in(field.annotation):
            yield _inside(where, data, finding, model)
        elif finding["type"] == "missing":
            yield Mistake(where, setting, NOT_SET, right)
        else:
            given = HiddenValue(data[setting]) if setting in SECRETS else data[setting]
            yield _wrong(where, setting, given, finding, right or finding["msg"])


def _follows_from_another(finding: ErrorDetails, findings: Iterable[ErrorDetails]) -> bool:
    """Whether it is there only because of what is inside it: a list that is too short."""
    here = finding["loc"]
    return any(
        len(other["loc"]) > len(here) and other["loc"][: len(here)] == here for other in findings
    )


def _inside(
    where: str, data: Mapping[str, Any], finding: ErrorDetails, model: type[Values]
) -> Mistake:
    """The mistake in a part of a setting, which is named like `upstreams[app].servers[0]`."""
    first, *steps = finding["loc"]
    field = model.model_fields[str(first)]
    setting, right = str(first), field.description or ""
    inner, given = _model_in(field.annotation), data.get(str(first))
    for step in steps:
        if isinstance(step, int):
            # Written as a dict, a person knows it by its key.
            key = list(given)[step] if isinstance(given, Mapping) and step < len(given) else step
            setting += f"[{key}]"
            given = given[key] if isinstance(given, (Mapping, list, tuple)) else None
            continue
        setting = f"{setting}.{step}"
        given = given.get(step) if isinstance(given, Mapping) else given
        if inner and step in inner.model_fields:
            field = inner.model_fields[step]
            right = field.description or right
            inner = _model_in(field.annotation) or inner
    last = str(steps[-1])
    if finding["type"] == "extra_forbidden" and inner:
        others = f"there are {', '.join(inner.model_fields)}"
        return Mistake(where, setting, given, _unknown(last, inner, others))
    value = NOT_SET if finding["type"] == "missing" else finding["input"]
    if finding["type"] == "value_error" and inner and last not in inner.model_fields:
        return Mistake(where, setting, value, str(finding["ctx"]["error"]))
    return _wrong(where, setting, value, finding, right)


def _wrong(where: str, setting: str, value: object, finding: ErrorDetails, right: str) -> Mistake:
    error = finding.get("ctx", {}).get("error")
    if isinstance(error, Wrong):
        part = f"{setting}.{error.within}" if error.within else setting
        return Mistake(where, part, error.value if error.within else value, str(error))
    number = finding["type"] == "string_type" and finding["input"] is not None
    return Mistake(where, setting, value, f"give {'text, in quotes: ' if number else ''}{right}")


def _unknown(setting: str, model: type[Values], others: str) -> str:
    return nearest(setting, SETTINGS if model is Node else model.model_fields, others)


def _model_in(annotation: Any) -> type[Values] | None:
    """The group of settings that a field's type is about, None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Values):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def network_defaults(data: Mapping[str, Any]) -> dict[str, str]:
    """Of a machine's `data` the servers that are None or not there, as its network has them."""
    wanted = [name for name in OTHERWISE if data.get(name) is None]
    first = _first_address(data) if wanted else ""
    return {name: first or OTHERWISE[name] for name in wanted}


def _first_address(data: Mapping[str, Any]) -> str:
    """The first of the VIP's network; "" where that is not IPv4, cannot be read, or is taken by the
    machine or the VIP."""
    try:
        vip = ip_interface(str(data.get("vip")))
    except ValueError:
        return ""
    if not isinstance(vip.network, IPv4Network) or vip.network.num_addresses < 4:
        return ""
    first = vip.network.network_address + 1
    return "" if str(first) in (str(vip.ip), str(data.get("address"))) else str(first)
