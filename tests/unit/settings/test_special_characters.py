"""No text of a setting can end, or comment out, a line of what it is written into.

The settings are those that the models have: one that is new has to be added to `EXAMPLES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface
from typing import Any, get_args

import pytest
from pydantic import SecretStr

import settings
from controller import rendering
from settings import Node
from settings.serving.site_names import HashSizes
from settings.validation import network_defaults
from settings.values import Values
from tasks.keepalived import configuration
from tasks.nginx import nginx_files
from tests.support import fakes

NASTY = "#!;{}\n\r\"'$\\`&|<>* \t\0"
TEXTS = (str, SecretStr, IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface)
WEB = {"name": "app", "servers": [{"address": "10.0.0.11:8080"}, {"address": "[fd61:1::9]:8080"}]}
TLS = {"name": "secure", "servers": [{"address": "10.0.0.11:8443"}], "tls": {"name": "a.example"}}
# Where each text is in these settings.
BASE: dict[str, Any] = {
    "interface": "eth0",
    "label": "eth0:0",
    "address6": "fd61:1::61",
    "vip6": "fd61:1::254/64",
    "more_vips": [["172.16.12.253/16", "@fake/host2"]],
    "more_interfaces": [["eth1", ["10.20.0.61", "fd62:1::61"]]],
    "vrrp_interface": "eth1",
    "upstreams": [WEB, TLS],
    "proxy": [{"path": "/api", "upstream": "app"}],
    "cache": {"path": "/var/cache/nginx", "valid_s": [["404", 60]], "private_cookies": ["session"]},
    "nginx_extra_flags": ["--with-cc-opt=-O2"],
    "nginx_writable_paths": ["/srv/cache"],
    "nginx_readable_homes": ["/home/www"],
    "metrics_allow": ["10.0.0.5"],
    "trusted_proxies": ["10.0.0.0/8", "fd00::/8"],
    "checks": [{"name": "app", "command": ["/usr/bin/x", "a"], "weight": 1}],
    "sites": [
        {
            "server_names": ["www.example.org"],
            "page": "a page",
            "headers": [["X-A", "a b"]],
            "client_certificates": {"ca_file": "clients.pem", "verify": "on"},
            "maintenance": {"page": "Back at noon", "allow": ["10.0.0.0/8"]},
            "paths": [
                {
                    **{"path": "/a/", "proxy": "app", "host": "app.example.org"},
                    "cache": {"valid_s": [["200", 60]], "private_cookies": ["session"]},
                },
                {"path": "/b/", "grpc": "app", "hide_headers": ["X-Powered-By"]},
                {"path": "/c/", "fastcgi": "app", "root": "/srv/www", "script": "index.php"},
                {"path": "/d/", "uwsgi": "app", "send_headers": [["X-A", "a b"]]},
                {"path": "/g/", "page": "g", "headers": [["X-A", "a b"]]},
                {"path": "/h/", "page": "h", "basic_auth": {"file": "users", "realm": "Staff"}},
                {"path": "/e/", "directory": "/srv/e", "index": "a.html", "fallback": "/a.html"},
                {"path": "/f/", "redirect": "https://www.example.org/", "allow": ["10.0.0.0/8"]},
            ],
        }
    ],
    "headers": [["X-A", "a b"]],
    "streams": [
        {
            "name": "mqtt",
            "listen": 1883,
            "to": [{"address": "10.0.0.11:1883"}],
            "allow": ["10.0.0.0/8"],
        },
        {"name": "db", "listen": 5432, "upstream": "app", "to_tls": {"name": "a.example"}},
    ],
    "routers": [{"address": "10.1.0.1", "asn": 64512}],
    "resolver": ["10.0.0.53"],
    "gzip": {"types": ["text/css"]},
    "unknown_host": "https://www.example.org/",
    "tls_certificate": "web.pem",
    "tls_key": "web.key",
}
# Paths on the controller, and what is served as it is: in no configuration, whatever is in them.
NOT_IN_CONFIGURATION = {
    *("page", "sites.page", "sites.content", "nginx_source", "nginx_snippets", "nginx_files"),
    "hooks",
    *("tls_certificate", "tls_key", "sites.tls_certificate", "sites.tls_key"),
    *("auth_pass_file", "auth_pass_env", "auth_pass_command", "tls_key_env", "tls_key_command"),
    *("sites.tls_key_env", "sites.tls_key_command", "sites.client_certificates.ca_file"),
    *("sites.paths.content", "sites.paths.page", "sites.paths.basic_auth.file"),
    *("upstreams.tls.ca_file", "upstreams.tls.certificate", "upstreams.tls.key"),
    *("streams.to_tls.ca_file", "streams.to_tls.certificate", "streams.to_tls.key"),
    *("streams.tls.certificate", "streams.tls.key", "streams.tls.key_env"),
    "streams.tls.key_command",
    *("routers.password_file", "routers.password_env", "routers.password_command"),
    "routers.view_command",
}
# What stands between double quotes in nginx's configuration, and what would end or change it there.
QUOTED = {
    *("headers", "sites.headers", "sites.paths.headers"),
    *("sites.paths.send_headers", "sites.paths.redirect"),
    *("sites.paths.basic_auth.realm", "sites.maintenance.page"),
}
# Of those, what the template puts a \ before " and \ in.
ESCAPED = {"sites.maintenance.page"}
NASTY_IN_QUOTES = '\n\r"$\\\0'
# The same models as a site has.
ALSO = ("paths.", "maintenance.", "path_defaults.", "sites.path_defaults.")
Path = tuple[str | int, ...]


def texts(model: type[Values], path: str = "") -> Iterator[str]:
    """Every setting of a model that holds text, with those of its parts as "sites.page"."""
    for name, field in model.model_fields.items():
        yield from texts_in(field.annotation, f"{path}{name}")


def texts_in(annotation: Any, path: str) -> Iterator[str]:
    if isinstance(annotation, type) and issubclass(annotation, Values):
        yield from texts(annotation, f"{path}.")
    elif annotation in TEXTS:
        yield path
    for part in get_args(annotation):
        if not isinstance(part, str):
            yield from texts_in(part, path)


def places(given: Any, path: Path = ()) -> Iterator[tuple[str, Path, str]]:
    """(setting, where it is in `given`, its text)"""
    if isinstance(given, str):
        yield ".".join(step for step in path if isinstance(step, str)), path, given
    for step, inner in given.items() if isinstance(given, dict) else ():
        yield from places(inner, (*path, step))
    for index, inner in enumerate(given) if isinstance(given, list) else ():
        yield from places(inner, (*path, index))


def host_data() -> dict[str, Any]:
    """What is valid, of one machine."""
    more = {"address": "172.16.12.61", "vip": "172.16.12.254/16", "page": "one", "priority": 101}
    names = {"name": "host1", "cluster": "web", "lab": False}
    data = fakes.defaults() | deepcopy(BASE) | more | names
    data |= network_defaults(data)
    return {key: value for key, value in data.items() if not key.startswith("ssh_")}


ALL = sorted(name for name in set(texts(Node)) if not name.startswith(ALSO))
HERE = list(places(host_data()))
RENDERED = [place for place in HERE if place[0] not in NOT_IN_CONFIGURATION and place[0] in ALL]


def changed(path: Path, text: str) -> dict[str, Any]:
    data = host_data()
    inner: Any = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    return data


def test_every_setting_that_holds_text_is_tried() -> None:
    assert Node.model_validate(host_data())
    assert {name for name, _, _ in HERE} | NOT_IN_CONFIGURATION >= set(ALL)


@pytest.mark.parametrize("path", [path for _, path, _ in RENDERED], ids=lambda p: f"{p}")
def test_a_character_that_means_something_to_a_program_is_refused(path: Path) -> None:
    (text,) = (text for _, there, text in RENDERED if there == path)
    # In front, within, at the end; and where an IPv6 address may have a zone.
    head, rest = text[:1], text[1:]
    name = ".".join(step for step in path if isinstance(step, str))
    marks = NASTY_IN_QUOTES if name in QUOTED and path[-1] != 0 else NASTY
    for nasty in set(marks) - set('"\\' if name in ESCAPED else ""):
        within = (nasty + text, f"{head}{nasty}{rest}", text + nasty, f"{text}%{nasty}")
        for wrong in (*within, text.replace("]", f"%{nasty}]").replace("/64", f"%{nasty}/64")):
            # A list of statuses has blanks in it, and a blank around an address is cut off.
            if wrong.strip() == text or (nasty == " " and path[-2:] == (0, 0)):
                continue
            with pytest.raises(ValueError):
                Node.model_validate(changed(path, wrong))


@pytest.mark.parametrize("setting", sorted(NOT_IN_CONFIGURATION))
def test_what_may_hold_them_is_in_no_configuration(setting: str) -> None:
    data = host_data()
    canary: object = ["./CANARY"] if setting.endswith("_command") else "CANARY"
    if setting == "sites.content":
        data["sites"] = [{"server_names": ["www.example.org"], "content": "CANARY"}]
    elif setting.startswith("sites.paths."):
        inner = data["sites"][0]["paths"][5]
        *steps, last = setting.removeprefix("sites.paths.").split(".")
        for step in steps:
            inner = inner[step]
        inner[last] = canary
    elif setting.startswith("upstreams.tls."):
        data["upstreams"][0]["tls"] = {setting.rpartition(".")[2]: canary}
    elif setting.startswith("streams."):
        *steps, last = setting.split(".")[1:]
        tls: dict[str, object] = {last: canary}
        if last != "ca_file":
            tls |= {"certificate": "CANARY"} if last.startswith("key") else {"key": "CANARY"}
        data["streams"][0][steps[0]] = tls
    elif setting.startswith("routers."):
        data["routers"][0][setting.rpartition(".")[2]] = canary
    elif setting.startswith("sites."):
        inner = data["sites"][0]
        *steps, last = setting.removeprefix("sites.").split(".")
        for step in steps:
            inner = inner[step]
        inner[last] = canary
    else:
        data[setting] = "./CANARY" if setting == "nginx_source" else canary
    node = Node.model_validate(data)
    cluster = settings.Cluster(name="web", nodes=(node,))
    common = {"node": node, "cluster": cluster, "machine": None, "realtime": True}
    more = {
        "cpus": 2,
        "workers": 2,
        "perl_modules": "",
        "own_pieces": ("main.d", "http.d", "server.d", "stream.d"),
        "speakers": "",
        "hooks": (),
        "hash_sizes": HashSizes(0, None, None),
        "map_sizes": {},
        "types_bucket": nginx_files.TYPES_BUCKET,
    }
    for name in (
        *("nginx/nginx.conf.j2", "nginx/upstreams.conf.j2", "nginx/nginx.service.j2"),
        *("keepalived/fast.conf.j2", "keepalived/classic.conf.j2", "keepalived/notify.sh.j2"),
        "keepalived/systemd-unit.conf.j2",
    ):
        text = rendering.render(name, **common, **more)
        assert "CANARY" not in text, name
    assert "CANARY" not in "".join(nginx_files.site_files(node).values())
    assert "CANARY" not in nginx_files.stream_conf(node)
    assert "CANARY" not in configuration.speakers_table(node, cluster)


@pytest.mark.parametrize("secret", ["a#b!c", "a!b", "#ab", 'a"b', "a{", "$_PWD", "a\\", "a b"])
def test_a_password_that_keepalived_would_read_as_another_is_refused(secret: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(fakes.inventory(auth_pass=secret))
    assert "auth_pass" in str(caught.value) and "! # " in str(caught.value)
    assert secret not in str(caught.value).partition("give ")[0]
    assert secret not in repr(caught.value.mistakes)


@pytest.mark.parametrize("secret", ["S3c-r3t%", "a'b;c,d", "~^`|<>&*", "()[]/?=@", "+_.:"])
def test_a_password_that_keepalived_reads_as_it_is_may_be_set(secret: str) -> None:
    node = settings.load(fakes.inventory(auth_pass=secret, vrrp_version=2, nginx_weight=-4))[0]
    text = rendering.render(
        "keepalived/classic.conf.j2", node=node.preferred, cluster=node, realtime=True
    )
    assert f"auth_pass  {secret}\n" in text
    assert secret not in repr(node) + str(node.preferred) + node.model_dump_json()
