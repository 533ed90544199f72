"""Every setting that there is, on every level: what is tried with all of them is generated here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

import settings
from settings.network.routed_settings import Router
from settings.node import Node
from settings.programs.own_checks import OwnCheck
from settings.serving.path_options import BasicAuth
from settings.serving.places import Place
from settings.serving.proxy import Location, Server, Upstream
from settings.serving.site import Site
from settings.serving.site_options import ClientCertificates
from settings.serving.streams import Stream
from settings.values import Values, kinds_of, words_of
from settings.wording.secrecy import models_in
from tests.unit.settings.test_settings import TWO, inventory

# What each group of settings has to have.
LEAST: dict[type[Values], dict[str, Any]] = {
    Site: {"server_names": ["www.example.org"]},
    Place: {"path": "/x/", "proxy": "app"},
    Location: {"path": "/x/", "upstream": "app"},
    Upstream: {"name": "app", "servers": ["10.0.0.11:80"]},
    Server: {"address": "10.0.0.11:80"},
    Stream: {"name": "mqtt", "listen": 1883, "to": ["10.0.0.11:1883"]},
    Router: {"address": "172.16.0.1", "asn": 64512},
    OwnCheck: {"name": "app", "command": "/usr/local/bin/check", "weight": 1},
    BasicAuth: {"file": "no/such/users"},
    ClientCertificates: {"ca_file": "no/such.pem"},
}
# Nobody sets these.
OWN = ("name", "cluster", "lab")
Wrap = Callable[[dict[str, Any]], dict[str, Any]]


class Setting(NamedTuple):
    """One of them: `name` as "sites.paths.proxy", its field, and how it stands in the inventory."""

    name: str
    field: FieldInfo
    wrap: Wrap

    @property
    def last(self) -> str:
        """Its own name."""
        return self.name.rpartition(".")[2]

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types that its value may have."""
        return tuple(kinds_of(self.field.annotation))

    @property
    def words(self) -> list[str]:
        """The words that its value may be."""
        each = (self.field.annotation, *self.field.metadata)
        return [word for one in each for word in words_of(one)]

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return any(get_origin(kind) is tuple for kind in self.kinds)

    def data(self, value: object, name: str = "") -> dict[str, Any]:
        """The inventory's data with this value of it, or of another `name` in its place."""
        return self.wrap({name or self.last: value})


def every(model: type[Values] = Node, wrap: Wrap = dict, prefix: str = "") -> Iterator[Setting]:
    """All of them, those in others behind these."""
    for name, field in model.model_fields.items():
        if model is Node and name in OWN:
            continue
        setting = Setting(f"{prefix}{name}", field, wrap)
        yield setting
        for inner in models_in(field.annotation):
            yield from every(inner, _around(setting, inner), f"{setting.name}.")


def _around(outer: Setting, inner: type[Values]) -> Wrap:
    def wrap(given: dict[str, Any]) -> dict[str, Any]:
        whole = LEAST.get(inner, {}) | given
        return outer.data([whole] if outer.is_list else whole)

    return wrap


ALL = tuple(every())


def by_name(setting: Setting) -> str:
    """Its name, for pytest."""
    return setting.name


def has_number(setting: Setting) -> bool:
    """Whether it is a number, or None."""
    return bool({int, float} & set(setting.kinds)) and bool not in setting.kinds


def numbers_within(setting: Setting) -> bool:
    """Whether there are numbers in what it holds."""
    return any(int in get_args(pair) for kind in setting.kinds for pair in get_args(kind))


def refusal(data: dict[str, Any]) -> str:
    """What is said of the inventory with this data, "" where nothing is wrong."""
    try:
        settings.load(inventory({name: own | data for name, own in TWO.items()}))
    except settings.SettingsError as error:
        return f"{error}{error.mistakes!r}{error!r}"
    return ""
