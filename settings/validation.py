"""Data of the inventory as values, or mistakes that name the setting and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, ip_interface
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from settings.foreign_names import meant_by
from settings.mistakes.mistake import Mistake
from settings.mistakes.name_mistakes import SEE_SETTINGS, SETTINGS, nearest
from settings.node import Node
from settings.values import Remedy, Values, alike, kinds_of, words_of, written
from settings.wording import foreign_forms
from settings.wording.secrecy import NOT_SET, models_in

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

T = TypeVar("T", bound=Values)
# Where a dict has a plain value, and no setting has a short form of that kind (named.py).
PLAIN = "?"
# How a description's "the words of a command" begins where somebody has given one line.
WORDS = "a list of words, those"
# pydantic's words for a name that no setting has.
_OF_NAMES = ("extra_forbidden", "invalid_key")
# What a description says of a list of dicts.
_LIST_OF = re.compile(r"^a list of ([\w ]+), \[(\{.*\})\]")
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
    findings = [_without_branches(finding, model) for finding in findings]
    # Each of the types that it may have says what it is not; a remedy of one of them counts.
    known = {finding["loc"] for finding in findings if _remedy_of(finding)}
    for finding in findings:
        if _follows_from_another(finding, findings):
            continue
        if finding["loc"] in known and not _remedy_of(finding):
            continue
        setting = str(finding["loc"][0])
        if finding["type"] == "extra_forbidden" and len(finding["loc"]) == 1:
            remedy = _unknown(setting, model, SEE_SETTINGS, data)
            yield Mistake(where, setting, data[setting], remedy)
            continue
        field = model.model_fields[setting]
        right = field.description or ""
        if len(finding["loc"]) > 1 and _model_in(field.annotation):
            yield _inside(where, data, finding, model)
        elif finding["type"] == "missing" and len(finding["loc"]) == 1:
            yield Mistake(where, setting, NOT_SET, right)
        else:
            # (Which one of a list it is, its own type knows best.)
            is_part = len(finding["loc"]) > 1 and _remedy_of(finding)
            given = finding["input"] if is_part else data[setting]
            yield _wrong(where, setting, given, finding, right or finding["msg"], field)


def _without_branches(finding: ErrorDetails, model: type[Values]) -> ErrorDetails:
    """The same without pydantic's own steps: which of its types a value is not, keys of a dict."""
    first, *steps = finding["loc"]
    if finding["type"] == "invalid_key":
        steps[-1] = str(steps[-1])
    shown: list[int | str] = [first]
    inner = _model_in(model.model_fields[str(first)].annotation) if steps else None
    for number, step in enumerate(steps, start=1):
        is_name = inner and step in inner.model_fields
        names_unknown = finding["type"] in _OF_NAMES and number == len(steps)
        if isinstance(step, int) or is_name or names_unknown or step == PLAIN:
            shown.append(step)
        if inner and is_name:
            inner = _model_in(inner.model_fields[str(step)].annotation) or inner
    return {**finding, "loc": tuple(shown)}


def _follows_from_another(finding: ErrorDetails, findings: Iterable[ErrorDetails]) -> bool:
    """Whether it is there only because of what is inside it, a list that is too short, or beside
    it: a name that is misspelt."""
    here = finding["loc"]
    if finding["type"] == "missing" and any(
        other["type"] == "extra_forbidden" and _is_meant(other["loc"], here) for other in findings
    ):
        return True
    return any(
        len(other["loc"]) > len(here) and other["loc"][: len(here)] == here for other in findings
    )


def _is_meant(wrong: tuple[int | str, ...], missing: tuple[int | str, ...]) -> bool:
    """Whether a name that is wrong may stand for the one beside it that is missing."""
    (*beside, name), (*around, right) = wrong, missing
    known = frozenset([str(right)])
    return beside == around and bool(meant_by(str(name), known) or alike(str(name), known))


def _inside(
    where: str, data: Mapping[str, Any], finding: ErrorDetails, model: type[Values]
) -> Mistake:
    """The mistake in a part of a setting, which is named like `upstreams[app].servers[0]`."""
    first, *steps = finding["loc"]
    field = model.model_fields[str(first)]
    setting, right = str(first), field.description or ""
    inner, given = _model_in(field.annotation), data.get(str(first))
    whole: Mapping[str, Any] = {}
    is_pair = False
    for step in steps:
        if isinstance(step, int):
            if is_pair:  # 0 for a key, 1 for its value, where a dict is kept as pairs
                continue
            is_pair = isinstance(given, Mapping)
            # Written as a dict, a person knows it by its key.
            key = list(given)[step] if isinstance(given, Mapping) and step < len(given) else step
            setting += f"[{key}]"
            given = _part(given, key)
            whole = {"path": key, **(given if isinstance(given, Mapping) else {PLAIN: given})}
            continue
        is_pair = False
        if step != PLAIN:
            setting = f"{setting}.{step}"
        whole = {**whole, **given} if isinstance(given, Mapping) else whole
        if isinstance(given, Mapping):  # a key that is no text is named as text, too
            given = next((its for key, its in given.items() if str(key) == step), None)
        if inner and step in inner.model_fields:
            field = inner.model_fields[step]
            right = field.description or right
            inner = _model_in(field.annotation) or inner
            whole = given if isinstance(given, Mapping) else whole
    last = str(steps[-1])
    if finding["type"] in _OF_NAMES and inner:
        others = f"there are {', '.join(inner.model_fields)}"
        return Mistake(where, setting, given, _unknown(last, inner, others, whole))
    value = NOT_SET if finding["type"] == "missing" else finding["input"]
    if finding["type"] == "model_type" and isinstance(steps[-1], int):
        right = _LIST_OF.sub(r"each of \1 as \2", right)
    if finding["type"] == "value_error" and inner and last not in inner.model_fields:
        return Mistake(where, setting, value, str(finding["ctx"]["error"]))
    # A short form is shown as it was written.
    value = given if isinstance(given, str) and not isinstance(value, str) else value
    return _wrong(where, setting, value, finding, right, field)


def _part(given: object, key: Any) -> Any:
    """What stands there, None where nothing does."""
    try:
        return given[key] if isinstance(given, (Mapping, list, tuple)) else None
    except (IndexError, KeyError):
        return None


def _wrong(
    where: str, setting: str, value: object, finding: ErrorDetails, right: str, field: FieldInfo
) -> Mistake:
    """What a setting's own type says would be right comes before what its description says."""
    if not (error := _remedy_of(finding)):
        return Mistake(where, setting, value, _give(finding, value, right, field))
    part = f"{setting}.{error.within}" if error.within else setting
    return Mistake(where, part, error.value if error.within else value, str(error))


def _remedy_of(finding: ErrorDetails) -> Remedy | None:
    error = finding.get("ctx", {}).get("error")
    return error if isinstance(error, Remedy) else None


def _give(finding: ErrorDetails, given: object, right: str, field: FieldInfo) -> str:
    if isinstance(given, str):
        words = [word for each in (field.annotation, *field.metadata) for word in words_of(each)]
        if near := alike(given, words):
            return f'did you mean "{near}"? Give {right}'
        if finding["type"] == "tuple_type" and str(finding["loc"][-1]).endswith("_command"):
            return f"no shell takes it apart: give {right.replace('the words', WORDS, 1)}"
        if finding["type"] == "tuple_type" and not right.startswith("{") and "[{" not in right:
            return f"give it as a list, {written([given])}: {right}"
    if given is False and type(None) in kinds_of(field.annotation):
        return f"write None instead of False; or give {right}"
    number = finding["type"] == "string_type" and finding["input"] is not None
    return f"give {'text, in quotes: ' if number else ''}{right}"


def _unknown(setting: str, model: type[Values], others: str, whole: Mapping[str, Any]) -> str:
    if form := foreign_forms.remedy(model, setting, whole):
        return form if setting == PLAIN else f"there is no such setting here; {form}"
    return nearest(setting, SETTINGS if model is Node else model.model_fields, others)


def _model_in(annotation: Any) -> type[Values] | None:
    """The group of settings that a field's type is about, None for plain values."""
    return next(models_in(annotation), None)


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
