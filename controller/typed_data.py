"""What `--data NAME=VALUE` says, as the setting's type has it.

pyinfra takes each value for a number, a boolean or JSON if it looks like one, whatever it is for: a
password of digits would lose its zeros, and a page `true` would be no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pyinfra_cli.cli as pyinfra_cli
from pydantic import SecretStr
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.connectors.ssh import ConnectorData
from pyinfra_cli.util import parse_cli_arg

from settings.node import Node
from settings.run_options import RunOptions

_TEXT = (str, SecretStr, IPv4Address, IPv4Interface, IPv6Address, IPv6Interface)


def is_text(annotation: Any) -> bool:
    """Whether a value of this type is written as text: a name, an address, a choice of words."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return is_text(inside[0])
    if origin is Literal:
        return all(isinstance(choice, str) for choice in inside)
    if origin in (Union, UnionType):
        return all(is_text(each) for each in inside if each is not NoneType)
    return isinstance(annotation, type) and issubclass(annotation, _TEXT)


def _types() -> dict[str, Any]:
    """The type of each setting, of the inventory, of a run, and of pyinfra's own."""
    known: dict[str, Any] = {**get_type_hints(ConnectorData), **get_type_hints(ConnectorArguments)}
    for model in (Node, RunOptions):
        known |= {name: field.annotation for name, field in model.model_fields.items()}
    return known


def typed(pairs: Iterable[str]) -> dict[str, Any]:
    """The values of `pairs`, "NAME=VALUE" each: of a text setting exactly what is typed."""
    types = _types()
    return {
        name: _value(types.get(name), text)
        for name, _, text in (pair.partition("=") for pair in pairs)
    }


def _value(annotation: Any, text: str) -> Any:
    if not is_text(annotation):
        return parse_cli_arg(text)
    absent = NoneType in get_args(annotation) and text.lower() in ("none", "null")
    return None if absent else text


def install() -> None:
    """Have pyinfra give the machines' data these values."""
    read: Callable[..., dict[str, Any]] = pyinfra_cli._set_override_data

    def override_data(data: tuple[str, ...], *ssh: Any, **named: Any) -> dict[str, Any]:
        return typed(data) | read((), *ssh, **named)

    pyinfra_cli._set_override_data = override_data
