"""What the programs tell systemd, which ends one that stands still."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import settings
from controller import rendering
from tasks.watch import health_watch
from tests.support import programs
from tests.unit.settings.test_settings import inventory

watchdog = programs.load("common.watchdog")


def test_it_says_that_it_goes_on_once_a_second(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        program = watchdog.Watchdog(str(tmp_path / "notify"))
        program.goes_on()
        assert systemd.recv(100) == b"WATCHDOG=1"
        program.goes_on()
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        program.said_s -= watchdog.EVERY_S
        program.goes_on()
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_it_waits_for_nobody_and_fails_where_nobody_listens_in_silence(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        for _ in range(1000):  # more than its queue takes
            watchdog.Watchdog(str(tmp_path / "notify")).goes_on()
    watchdog.Watchdog(str(tmp_path / "notify")).goes_on()
    watchdog.Watchdog("@tandem-nobody").goes_on()
    watchdog.Watchdog("").goes_on()


@pytest.mark.parametrize(
    "template",
    [
        "watch/tandem-watch.service.j2",
        "handover/tandem-handover.service.j2",
        "metrics/tandem-metrics.service.j2",
        "keepalived/systemd-unit.conf.j2",
        "nginx/nginx.service.j2",
    ],
)
def test_no_service_is_ended_because_nobody_can_write_down_that_it_was_started(
    template: str,
) -> None:
    """As where /run is full."""
    text = rendering.read(f"../templates/{template}")
    assert "\nExecStartPost=-/usr/lib/tandem/running-state started" in text


@pytest.mark.parametrize(("timeout_s", "least_s"), [(0.25, 11), (60, 190)])
def test_the_longest_round_of_the_watch_is_in_time(timeout_s: float, least_s: int) -> None:
    (cluster,) = settings.load(inventory(health_timeout_s=timeout_s))
    found = health_watch.watchdog_s(cluster.preferred, cluster)
    assert least_s <= found <= least_s + 1
