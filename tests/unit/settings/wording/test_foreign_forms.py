"""What belongs to nginx, to another tool or to another place is refused with the form that does it
here, the person's own value in it: and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings.foreign_names import FOREIGN
from settings.network.routed_settings import Router
from settings.node import Node
from settings.serving.path_options import OPTIONS
from settings.serving.places import KINDS, Place
from settings.serving.proxy import Upstream
from settings.serving.site import Site
from settings.serving.streams import Stream
from settings.values import Values
from settings.wording.foreign_forms import remedy
from tests.unit.settings.test_settings import inventory, mistakes
from tests.unit.settings.wording.every_setting import refusal

APP = {"app": {"servers": ["10.0.0.11:80"]}}
MODELS: tuple[type[Values], ...] = (Node, Site, Place, Upstream, Stream, Router)


def site(**given: Any) -> dict[str, Any]:
    return {"sites": [{"server_names": ["www.example.org"], **given}], "upstreams": APP}


def path(**given: Any) -> dict[str, Any]:
    return {"paths": {"/x/": {"proxy": "app"} | given}, "upstreams": APP}


def stream(**given: Any) -> dict[str, Any]:
    return {"streams": {"x": {"listen": 1883, "to": ["10.0.0.11:1883"]} | given}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"proxy": {"/": {"upstream": "app", "max_body_mb": 64}}, "upstreams": APP},
            'write paths = {"/": {"proxy": "app", "max_body_mb": 64}}',
        ),
        (site(root="/srv/x"), 'write "paths": {"/": {"directory": "/srv/x"}}'),
        (site(alias="/srv/x"), 'write "paths": {"/": {"directory": "/srv/x"}}'),
        (site(proxy_pass="http://app"), 'write "paths": {"/": {"proxy": "app"}}'),
        (site(client_max_body_size="64m", page="x"), 'write "path_defaults": {"max_body_mb": 64}'),
        (site(proxy_read_timeout="2m", page="x"), 'write "path_defaults": {"read_timeout_s": 120}'),
        (site(server_name="a.org b.org"), 'write "server_names": ["a.org", "b.org"]'),
        (site(domain="a.org"), 'write "server_names": ["a.org"]'),
        (site(listen=8080), "http_port and https_port"),
        (site(limits={"connections": 5}), '"path_defaults": {"limits": {"connections": 5}}'),
        ({"paths": {"/": "app"}}, 'give what answers it, {"proxy": "app"}'),
        ({"paths": {"/": "/srv/x"}}, 'give what answers it, {"directory": "/srv/x"}'),
        ({"paths": {"/": "https://a.org"}}, 'give what answers it, {"redirect": "https://a.org"}'),
        ({"paths": {"/": "Hello there"}}, 'give what answers it, {"page": "Hello there"}'),
        ({"paths": {"/": None}}, 'give what answers it, {"proxy": "NAME of an upstream"}'),
        ({"paths": {"/": {"upstream": "app"}}}, 'write "proxy": "app"'),
        (path(proxy_read_timeout="60s"), 'write "read_timeout_s": 60'),
        (path(basic_auth=False), "write None instead of False"),
        (path(limits={"conections": 5}), "did you mean connections?"),
        ({"client_max_body_size": "1g"}, 'write path_defaults = {"max_body_mb": 1024}'),
        ({"keepalive_timeout": "75s"}, "write keepalive_timeout_s = 75"),
        ({"server_name": "a.org"}, 'write sites = [{"server_names": ["a.org"]}]'),
        (stream(udp=True), 'write "protocol": "udp"'),
        ({"upstreams": {"app": {"server": "10.0.0.11:80"}}}, 'write "servers": ["10.0.0.11:80"]'),
        ({"upstreams": {"app": "10.0.0.11:80"}}, 'give it as a list, ["10.0.0.11:80"]'),
        ({"unknown_host": 444}, 'give "close"'),
        ({"unknown_host": {"redirct": "https://a.org"}}, '{"redirect": "https://a.org"}?'),
        (
            {"unknown_host": {"redirect": "https://WWW.example.org/A"}},
            '{"redirect": "https://www.example.org/A"}',
        ),
        ({"trusted_proxies": ["10.0.0.5/24"]}, 'give "10.0.0.0/24" for the network, or "10.0.0.5"'),
        (path(allow=["office.example.org"]), "nginx looks up no names here"),
        (path(allow=["all"]), '"0.0.0.0/0" and "::/0"'),
        (path(allow=["10.0.0.1-10.0.0.3"]), '"10.0.0.1", "10.0.0.2/31"'),
        (path(allow=["10.0.0.1-10.9.0.3"]), "the networks that it is made of"),
        ({"metrics": True, "metrics_allow": ["10.0.0.5/24"]}, 'give "10.0.0.0/24"'),
    ],
)
def test_what_is_right_is_written_out_in_the_one_mistake(given: dict[str, Any], said: str) -> None:
    found = [each for each in mistakes(inventory(**given)) if "TLS" not in each]
    first, *more = found
    assert said in first, found
    # A site without names has nothing that answers either.
    assert not [each for each in more if "say what it serves" not in each], found
    assert not more or "server_names" in said or "https_port" in said, found
    assert "does not appear" not in first and "not appear to be" not in first


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_answer_at_a_sites_level_is_written_as_a_path(kind: str) -> None:
    if kind in Site.model_fields:
        return
    (found, *_) = mistakes(inventory(**site(**{kind: "app"})))
    assert f'write "paths": {{"/": {{"{kind}": "app"}}}}' in found


@pytest.mark.parametrize("option", sorted(OPTIONS - Site.model_fields.keys()))
def test_every_option_of_paths_at_a_sites_level_is_written_for_all_paths(option: str) -> None:
    (found, *_) = mistakes(inventory(**site(page="x", **{option: True})))
    assert f'write "path_defaults": {{"{option}": True}}' in found


@pytest.mark.parametrize("name", sorted(FOREIGN.keys() - {"?", "name"}))
def test_every_foreign_name_is_known_somewhere_and_is_no_setting_there(name: str) -> None:
    found = [
        said
        for model in MODELS
        if name not in model.model_fields and (said := remedy(model, name, {name: "10m"}))
    ]
    assert found, name


@pytest.mark.parametrize(
    "written",
    [
        {"paths": {"/": {"proxy": "app", "max_body_mb": 64}}, "upstreams": APP},
        site(paths={"/": {"directory": "/srv/x"}}),
        site(page="x", path_defaults={"max_body_mb": 64, "read_timeout_s": 120}),
        stream(protocol="udp"),
        {"unknown_host": "close"},
        {"unknown_host": {"redirect": "https://www.example.org/A"}},
        path(basic_auth=None, allow=["10.0.0.1", "10.0.0.2/31", "0.0.0.0/0", "::/0"]),
    ],
)
def test_what_is_written_out_is_accepted(written: dict[str, Any]) -> None:
    assert not refusal(written) and settings.load(inventory(**written))


@pytest.mark.parametrize("given", ["", " ", ";", None, ["1m"], []])
@pytest.mark.parametrize("name", sorted(FOREIGN.keys() - {"?", "name"}))
def test_whatever_stands_behind_a_foreign_name_it_is_refused(name: str, given: object) -> None:
    for model in MODELS:
        if name not in model.model_fields:
            assert isinstance(remedy(model, name, {name: given}), str)


@pytest.mark.parametrize(
    ("network", "right"),
    [
        ("2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", '"2001:db8::/32"'),
        ("10.0.0.0/24 ", 'without a space: "10.0.0.0/24"'),
    ],
)
def test_a_network_is_written_out_as_it_is_meant(network: str, right: str) -> None:
    assert right in refusal(path(allow=[network]))
