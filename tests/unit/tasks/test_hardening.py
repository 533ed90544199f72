"""What is rendered has no hole that can be read off it: gixy's judgement, modes, and sandboxes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from lab.gateway import authority
from tasks.machine.survey import parse_survey
from tasks.nginx import service
from tests.support import fakes
from tests.support.snapshots import DEFAULT, Spoiled, bad

# Everything that writes into nginx.conf, at once.
RICHEST: dict[str, Any] = {
    "vip6": "fd61:1::254/64",
    "workload": "io",
    "metrics": True,
    "metrics_allow": ["172.16.0.1"],
    "drain_timeout_s": 60,
    "upstreams": {
        "app": {"servers": ["10.0.0.11:8080"], "websocket": True},
        "api": ["10.0.0.12:1"],
    },
    "proxy": {"/": "app", "/api/": "api"},
    "cache": {},
    "headers": {"X-Robots-Tag": "noindex"},
    "sites": [
        {"server_names": ["www.example.org"], "page": "a site", "headers": "strict"},
        {
            "server_names": ["app.example.org"],
            "paths": {"/": {"proxy": "app", "headers": {"X-Frame-Options": "DENY"}}},
        },
        {"server_names": ["closed.example.org"], "page": "a site", "maintenance": True},
        {"server_names": [r"~^(?<user>[a-z]+)\.home\.test$", ".home.test"], "page": "homes"},
    ],
    "streams": {
        "mqtt": {"listen": 1883, "to": ["10.0.0.11:1883"], "proxy_protocol": True},
        "db": {"listen": 5432, "to": "app", "connections": 5, "allow": ["10.0.0.0/8"]},
        "dns": {"listen": 5353, "protocol": "udp", "to": ["10.0.0.53:53"], "responses": 1},
    },
    "unknown_host": "close",
    "gzip": "text",
}
BEHIND = RICHEST | {"trusted_proxies": ["10.0.0.0/8", "fd00::/8"]}
_THROUGH_PROXIES = {"listen": 5433, "to": "app", "accept_proxy_protocol": True}
BEHIND["streams"] = {**RICHEST["streams"], "told": _THROUGH_PROXIES}


def rendered(directory: Path, **group: Any) -> Path:
    """/etc/nginx of host1 as a deploy would stage it, in `directory`."""
    hosts = {
        f"@fake/host{place}": {
            "ssh_hostname": f"172.16.12.6{place}",
            "address6": f"fd61:1::6{place}",
            "priority": 102 - place,
            "page": "p",
        }
        for place in (1, 2)
    }
    node, cluster = settings.of(fakes.inventory(hosts, group).get_host("@fake/host1"))
    made = service.make_generation(
        node, cluster, parse_survey(fakes.survey()), "1.30.6-000000000000"
    )
    for path, text in made.files.items():
        if path.startswith("etc/"):
            assert isinstance(text, str)
            target = directory / path.removeprefix("etc/")
            target.parent.mkdir(exist_ok=True)
            target.write_text(text.replace("/etc/nginx/", f"{directory}/"))
    return directory / "nginx.conf"


def gixy(configuration: Path) -> list[dict[str, Any]]:
    """What gixy finds, with nginx's own advisories for the default release left to NGX-19."""
    done = subprocess.run(
        [Path(sys.executable).with_name("gixy"), "-f", "json", configuration],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "group",
    [{}, RICHEST, BEHIND, BEHIND | {"proxy_protocol": True}],
    ids=["default", "richest", "behind others", "in PROXY protocol"],
)
def test_gixy_finds_nothing_in_the_configuration(tmp_path: Path, group: dict[str, Any]) -> None:
    assert gixy(rendered(tmp_path, **group)) == []


def test_gixy_finds_nothing_over_tls(tmp_path: Path) -> None:
    issued = authority.issue(
        tmp_path, ("172.16.12.254", "fd61:1::254", "www.example.org", "home.test", "*.home.test")
    )
    files = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    place = tmp_path / "etc"
    place.mkdir()
    configuration = rendered(place, **RICHEST, **files, hsts_s=63072000)
    text = configuration.read_text()
    assert "listen       443 ssl" in text and text.count("proxy_pass") == 2
    assert gixy(configuration) == []


def test_gixy_would_find_something(tmp_path: Path) -> None:
    configuration = rendered(tmp_path)
    text = configuration.read_text()
    configuration.write_text(text.replace("server_tokens      off;", "server_tokens on;"))
    assert [issue["plugin"] for issue in gixy(configuration)] == ["version_disclosure"]


@pytest.mark.parametrize(
    "template",
    [
        "keepalived/systemd-unit.conf",
        "bird/systemd-unit.conf",
        "metrics/tandem-metrics.service",
        "nginx/nginx.service",
        "handover/tandem-handover.service",
    ],
)
def test_every_unit_is_walled_in(template: str) -> None:
    """What `systemd-analyze security` makes of them, tests/lab/profiles/test_security.py asks."""
    text = (fakes.ROOT / "templates" / f"{template}.j2").read_text()
    for wall in ("ProtectSystem=strict", "NoNewPrivileges=yes", "SystemCallFilter=@system-service"):
        assert f"\n{wall}\n" in text
    assert "CapabilityBoundingSet=" in text


def test_keepalived_may_raise_its_limit_on_real_time_work_again() -> None:
    """A reload takes the limit away and sets it anew; the kernel would kill it soon after."""
    inventory = fakes.inventory()
    node, cluster = settings.of(inventory.get_host("@fake/host1"))
    text = rendering.render(
        "keepalived/systemd-unit.conf.j2",
        **{"addresses": (), "node": node, "cluster": cluster, "speakers": "/x"},
    )
    assert "CAP_SYS_RESOURCE" in text and "RestrictRealtime" not in text.replace("Not Restrict", "")


# --- SYS-08 ---------------------------------------------------------------------------------------


def test_secrets_of_a_healthy_pair_are_kept() -> None:
    assert bad(Spoiled(DEFAULT).judge("SYS-08")) == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("640 root:root f /etc/keepalived/keepalived.conf", None),
        ("640 root:root f /var/lib/tandem/keepalived/keepalived.conf", None),
        ("", "644 root:root f /etc/nginx/tls/site.key"),
        ("", "640 root:nginx f /etc/nginx/tls/site.key"),
        ("", "600 nginx:nginx f /etc/nginx/tls/key.pem"),
        ("700 root:root d /var/lib/tandem/nginx\n", "755 root:root d /var/lib/tandem/nginx\n"),
    ],
)
def test_a_secret_that_others_can_read_is_found(old: str, new: str | None) -> None:
    spoiled = Spoiled(DEFAULT)
    if not old:
        spoiled.add("host1", "secret_files", str(new))
    elif new is None:
        spoiled.replace("host1", "secret_files", old, old.replace("640", "644", 1))
    else:
        spoiled.replace("host1", "secret_files", old, new)
        spoiled.replace("host1", "secret_files", "640 root:root f /var/lib/tandem/nginx/g", "x")
        spoiled.replace("host1", "secret_files", "x", "644 root:root f /var/lib/tandem/nginx/g")
    assert bad(spoiled.judge("SYS-08")) == {"SYS-08"}


def test_a_file_within_a_closed_directory_is_kept() -> None:
    spoiled = Spoiled(DEFAULT)
    spoiled.add("host1", "secret_files", "700 root:root d /etc/nginx/tls")
    spoiled.add("host1", "secret_files", "644 root:root f /etc/nginx/tls/site.key")
    assert bad(spoiled.judge("SYS-08")) == set()
