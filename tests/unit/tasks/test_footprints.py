"""Footprints: together they name everything that a deploy places, and nothing of others."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import Any

import pytest

import settings
from tasks.change import removal
from tasks.machine import RECORD, one_file
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

pytestmark = pytest.mark.usefixtures("no_download")

METRICS: dict[str, Any] = {"metrics": True, "metrics_allow": ["172.16.0.1"]}
PROXY: dict[str, Any] = {
    "upstreams": {"app": {"servers": ["10.0.0.11:80"]}},
    "proxy": {"/": "app"},
    "cache": {"path": "/srv/kept"},
}
SEVERAL: dict[str, Any] = {"more_vips": {"172.16.12.253/16": "@fake/host2"}}
ROUTED: dict[str, Any] = {
    "spread": "bgp",
    "vip": "192.0.2.80/32",
    "asn": 65010,
    "routers": [{"address": "172.16.0.1", "asn": 64512}],
}
# Directories that packages and the system bring, and the file that a deploy adds lines to.
FOREIGN = {
    *("/etc", "/etc/keepalived", "/etc/logrotate.d", "/etc/tmpfiles.d", "/etc/sysctl.d"),
    *("/etc/systemd/system", "/etc/init.d", "/etc/default", "/etc/sysconfig"),
    "/etc/chrony/sources.d",
    "/etc/inittab",
}
# Directories that a unit has systemd make, and where.
MADE_BY_UNITS = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "LogsDirectory": "/var/log",
    "CacheDirectory": "/var/cache",
}


def covered(path: str, node: settings.Node) -> bool:
    """Whether the footprint of some concern names `path`."""
    every = (*removal.footprints(node), RECORD)
    return any(footprint.covers(path) for footprint in every)


@pytest.mark.parametrize(
    ("distribution", "init", "given"),
    [
        ("debian12", "systemd", {}),
        ("debian12", "systemd", METRICS),
        ("debian12", "systemd", PROXY),
        ("debian12", "systemd", SEVERAL),
        ("debian12", "systemd", ROUTED),
        ("debian12", "systemd", {"vrrp_version": 2}),
        ("debian12", "init", {"vrrp_version": 2}),
        ("debian12", "init", {}),
        ("rocky9", "init", {}),
        ("rocky9", "systemd", {}),
    ],
)
def test_some_concern_names_everything_that_a_deploy_places(
    distribution: str, init: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds a file, a unit, a link or a table to a deploy names it in its `FOOTPRINT`."""
    placed: dict[str, str] = {}
    file = one_file.file

    def noting(name: str, path: str, content: str | bytes, **arguments: Any) -> None:
        # A program is a binary, and names no further paths.
        placed[path] = content if isinstance(content, str) else ""
        file(name, path, content, **arguments)

    monkeypatch.setattr(one_file, "file", noting)
    hosts = machines(distribution, distribution, init=init, settings=given)
    node = settings.of(hosts.get_host("@fake/host1"))[0]
    asked = fakes.run("deploy.py", hosts)
    commands = "\n".join(command for commands in asked.values() for command in commands)

    # Whatever is moved in, made or linked by a command of its own.
    moved = set(re.findall(r"\bmv -fT \S+ (/\S+)", commands))
    made = set(re.findall(r"\bmkdir (?:-p )?(/[^\s;]+)", commands))
    linked = set(re.findall(r"\bln -\w+ \S+ (/\S+)", commands))
    written = set(re.findall(r">{1,2}(/(?:etc|usr|var|run)/\S+)", commands)) - {
        "/etc/inittab.tandem"
    }
    assert len(placed) > 12 and len(moved) > 12
    for path, content in placed.items():
        if path.startswith("/etc/tmpfiles.d/"):
            made |= set(re.findall(r"^[df]\S* (\S+)", content, re.MULTILINE))
        for directive, root in MADE_BY_UNITS.items():
            for names in re.findall(rf"^{directive}=(.+)$", content, re.MULTILINE):
                made |= {f"{root}/{name}" for name in names.split()}
    unknown = {
        path
        for path in {*placed, *moved, *made, *linked, *written} - FOREIGN
        if not covered(path, node)
    }
    assert unknown == set()

    tables = {
        name
        for content in placed.values()
        for name in re.findall(r"^table \S+ (\S+) \{", content, re.MULTILINE)
    }
    known = [name for footprint in removal.footprints(node) for name in footprint.tables]
    assert tables
    assert {name for name in tables if not any(fnmatch(name, one) for one in known)} == set()


def test_each_concern_has_a_footprint_of_its_own() -> None:
    node = settings.of(machines("debian12", "debian12").get_host("@fake/host1"))[0]
    every = removal.footprints(node)
    folders = {path.name for path in (fakes.ROOT / "tasks").iterdir() if path.is_dir()}
    assert len(every) == len(folders - {"change", "__pycache__"})
    named = [path for footprint in every for path in footprint.all_files]
    assert len(named) == len(set(named)), "a file is named once"


def test_nothing_of_others_is_covered() -> None:
    node = settings.of(machines("debian12", "debian12").get_host("@fake/host1"))[0]
    for path in (
        *("/etc/nginx/mine.conf", "/etc/nginx/conf.d/mine.conf", "/usr/html/mine.html"),
        *("/var/log/nginx/access.log", "/etc/sysctl.d/99-mine.conf", "/etc/keepalived/mine"),
        *("/etc/logrotate.d/mine", "/usr/lib/tandem-of-mine", "/usr/sbin/keepalived"),
    ):
        assert not covered(path, node), path
