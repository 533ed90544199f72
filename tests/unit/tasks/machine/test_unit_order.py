"""In which order systemd starts our services, and, the other way round, stops them."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

from controller import rendering

UNITS = {
    "nginx": "nginx/nginx.service.j2",
    "tandem-handover": "handover/tandem-handover.service.j2",
    "tandem-watch": "watch/tandem-watch.service.j2",
    "keepalived": "keepalived/systemd-unit.conf.j2",
    "bird": "bird/systemd-unit.conf.j2",
    "tandem-metrics": "metrics/tandem-metrics.service.j2",
}


def started_before() -> dict[str, set[str]]:
    """What each waits for, in whichever profile (conditions in templates all hold here)."""
    found: dict[str, set[str]] = {name: set() for name in UNITS}
    for name, template in UNITS.items():
        text = rendering.read(f"../templates/{template}")
        for how, units in re.findall(r"^(After|Before)=(.*)$", text, re.M):
            for other in re.findall(r"(\S+)\.service", units):
                late, early = (name, other) if how == "After" else (other, name)
                found.setdefault(late, set()).add(early)
    return found


def test_no_service_waits_for_itself() -> None:
    """systemd would leave one of them out of a boot. Raises CycleError."""
    assert set(UNITS) <= set(TopologicalSorter(started_before()).static_order())


def test_what_lives_on_nginx_can_go_on_until_it_has_ended() -> None:
    """At a shutdown the hand-over is stopped after nginx, which waits for what it serves."""
    assert "tandem-handover" in started_before()["nginx"]
