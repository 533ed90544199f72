"""What would be right instead of a name that is another's: the setting written out, with the value
that a person has given."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from settings.foreign_names import meant_by
from settings.network.routed_settings import Router
from settings.node import Node
from settings.serving.named import UPSTREAM_NAME
from settings.serving.path_options import OPTIONS, BasicAuth
from settings.serving.places import KINDS, Place
from settings.serving.proxy import Location
from settings.serving.site import Site
from settings.values import Values, written

_PLACE = frozenset(Place.model_fields)
_MEGABYTES = {"k": 1 / 1024, "m": 1, "g": 1024, "": 1 / 1024 / 1024}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
LISTS = ("server_names", "servers", "hide_headers", "trusted_proxies", "allow")
_SWITCHES = {"on": True, "off": False}
_PASSWORDS = ("password", "passwd", "pass", "secret", "key", "md5", "md5_password", "auth_pass")
# What stands in nginx's `listen`, and has a setting for all sites.
_PORTS = "ports are for all sites: http_port and https_port, beside `sites`"


def remedy(model: type[Values], name: str, whole: Mapping[str, Any]) -> str:
    """What to write instead of `name`, which `model` does not have; "" where nobody knows.

    + whole: all that is set there, `name` and its value among it.
    """
    value = whole.get(name)
    if model is BasicAuth:
        said = "names and passwords are in a file, which `htpasswd -B FILE NAME` makes"
        return f'{said}: give that, {{"file": "FILE"}}'
    if model is Router and name in _PASSWORDS:
        where = "password_file, password_env or password_command"
        return f"the inventory says where a password is, by {where}"
    if model is Location:
        return _in_full(whole)
    if name == "?":
        return f"give what answers it, {written(_answer(value))}"
    if name == "listen" and model in (Site, Node):
        return _PORTS
    if model is Site and name == "root":
        return _form({"paths": {"/": {"directory": value}}})
    if meant := meant_by(name, frozenset(model.model_fields)):
        return _form({meant: converted(meant, name, value)}, inside=model is not Node)
    if model not in (Site, Node):
        return ""
    if model is Node and meant_by(name, frozenset(Site.model_fields)):
        its = _of_site(name, value)
        return _form({"sites": [its]}, inside=False) if its else ""
    return _form(_of_site(name, value), inside=model is Site)


def _form(given: Mapping[str, Any], inside: bool = True) -> str:
    """The same as it stands inside of a dict, or as a setting of its own."""
    if not given:
        return ""
    ((name, value),) = given.items()
    return f'write "{name}": {written(value)}' if inside else f"write {name} = {written(value)}"


def _of_site(name: str, value: Any) -> dict[str, Any]:
    """What it is among the settings of a site; nothing where nobody knows."""
    if meant := meant_by(name, frozenset(Site.model_fields) - _PLACE):
        return {meant: converted(meant, name, value)}
    option = name if name in _PLACE - {"path"} else meant_by(name, _PLACE)
    if not option:
        return {}
    given = {option: converted(option, name, value)}
    if option in KINDS:
        return {"paths": {"/": given}}
    return {"path_defaults": given} if option in OPTIONS else {"paths": {"/PATH/": given}}


def _in_full(whole: Mapping[str, Any]) -> str:
    """A path of `proxy`, which is short for no more than an upstream, as one of `paths`."""
    found: dict[str, Any] = {"proxy": whole.get("upstream", "NAME of an upstream")}
    for name, value in whole.items():
        if name not in ("path", "upstream"):
            option = name if name in _PLACE else meant_by(name, _PLACE)
            if not option:
                return ""
            found[option] = converted(option, name, value)
    return f"`proxy` is short; write paths = {written({whole.get('path', '/'): found})} instead"


def _answer(value: Any) -> dict[str, Any]:
    """What somebody means by a plain value of a path."""
    if value is None or not isinstance(value, str) or not value:
        return {"proxy": "NAME of an upstream"}
    if re.match(r"https?://", value):
        return {"redirect": value}
    if value.startswith("/"):
        return {"directory": value}
    return {"proxy" if re.fullmatch(UPSTREAM_NAME, value) else "page": value}


def converted(setting: str, name: str, value: Any) -> Any:
    """A value of `name`, as nginx has it, as the one of `setting`; as it is, where it is none."""
    if name in ("udp", "tcp"):
        return name
    if value is None and name.endswith("_pass"):
        return "NAME of an upstream"
    if isinstance(value, list | tuple) and len(value) == 1 and setting not in LISTS:
        (value,) = value
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = str(value).strip().rstrip(";")
    if setting == "max_body_mb" and (found := re.fullmatch(r"(\d+)([kmg]?)", text.lower())):
        return math.ceil(int(found[1]) * _MEGABYTES[found[2]])
    if setting.endswith("_s") and (found := re.fullmatch(r"(\d+)(ms|[smhd]?)", text)):
        seconds = int(found[1]) * _SECONDS[found[2]]
        return int(seconds) if seconds == int(seconds) else seconds
    if isinstance(value, str):
        return _text(setting, name, text)
    return value


def _text(setting: str, name: str, text: str) -> Any:
    if text in _SWITCHES and setting in ("listing", "buffering", "request_buffering"):
        return _SWITCHES[text]
    if setting in LISTS:
        return text.split()
    if setting in ("headers", "send_headers") and " " in text:
        header, value = text.split(maxsplit=1)
        return {header: value.removesuffix(" always").strip("\"'")}
    if name in ("return", "try_files"):
        return (text.split() or [""])[-1]
    if name.endswith("_pass") or setting == "proxy":
        plain = re.sub(r"^\w+://", "", text).rstrip("/")
        return plain if re.fullmatch(UPSTREAM_NAME, plain) else "NAME of an upstream"
    return text
