"""What reports say of a routed cluster: who announces the VIP, instead of who holds it."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tests.support.routed.routing_answers import all_down, yielding
from tests.support.snapshots import BOTH, DEFAULT, EVERYTHING, ROUTED, Spoiled
from verify import api
from verify.checks.check import Outcome
from verify.judge import VerifierVerdict
from verify.report import prometheus, report_files, terminal_report, whereabouts


def printed(verdict: VerifierVerdict) -> str:
    out = io.StringIO()
    terminal_report.report(verdict, Console(file=out, width=120))
    return out.getvalue()


def test_who_announces_the_vip_stands_at_the_top() -> None:
    head = printed(Spoiled(ROUTED).judge()).splitlines()[0]
    assert head == "web: 198.51.100.80/32 and 2001:db8::80/128, announced by host1, host2"
    head = printed(yielding("host2")(Spoiled(ROUTED)).judge()).splitlines()[0]
    assert head.endswith("announced by host1, host2 (behind all others)")
    head = printed(all_down(*BOTH)(Spoiled(ROUTED)).judge()).splitlines()[0]
    assert head.endswith("announced by no machine that was asked")


def test_the_page_says_it_of_each_machine(tmp_path: Path) -> None:
    spoiled = all_down("host2")(Spoiled(ROUTED))
    report_files.write(spoiled.judge(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "172.16.12.61, announced like all that serve" in page
    assert "172.16.12.62, announced not at all" in page and "priority" not in page.split("<h2")[0]
    for name in ("report.json", "report.xml", "gathering.json"):
        assert (tmp_path / name).stat().st_size


def test_a_machine_of_which_nothing_is_known_is_said_to_be_so() -> None:
    silent = Spoiled(ROUTED)
    del silent.data["looks"]["host2"]["sections"]["bird_protocols"]
    verdict = silent.judge()
    (cluster,) = verdict.snapshot.clusters
    shown = whereabouts.about(cluster, "host2", verdict)
    assert shown == "172.16.12.62, whether it is announced is not known"
    lost = Spoiled(ROUTED).lose("host2").judge()
    assert whereabouts.about(cluster, "host2", lost).startswith("172.16.12.62; not reached: ")


def test_prometheus_is_told_who_serves() -> None:
    text = prometheus.text(yielding("host2")(Spoiled(ROUTED)).judge())
    assert 'tandem_vip_held{cluster="web",host="host1"} 1' in text
    assert 'tandem_vip_held{cluster="web",host="host2"} 0' in text
    assert 'check="RT-09"} 1' in text and 'check="KA-01"' not in text


def test_where_one_machine_has_the_vip_that_is_said_as_before() -> None:
    verdict = Spoiled(DEFAULT).judge()
    (cluster,) = verdict.snapshot.clusters
    assert whereabouts.about(cluster, "host1", verdict).endswith("priority 101, holds the VIP")
    assert whereabouts.about(cluster, "host2", verdict).endswith("priority 100, without the VIP")
    assert whereabouts.holding(cluster, verdict) == "172.16.12.254/16 is on host1 (eth0:0)"


def test_versions_are_those_of_what_runs() -> None:
    assert [*api.installed_versions(Spoiled(ROUTED).judge(), "host1")] == ["nginx", "BIRD"]
    assert [*api.installed_versions(Spoiled(DEFAULT).judge(), "host1")] == ["nginx", "keepalived"]


def test_an_exporter_is_well_where_it_tells_of_the_watch() -> None:
    routed = Spoiled(EVERYTHING)
    for node in routed.data["clusters"][0]["nodes"]:
        node["spread"] = "bgp"
    of_watch = 'tandem_service_active{service="tandem-watch"} '
    for value, outcome in (("1", Outcome.OK), ("0", Outcome.FAIL)):
        routed.replace("host1", "metrics_node", "tandem_keepalived_up 1", "tandem_keepalived_up 0")
        routed.replace("host1", "metrics_node", f"{of_watch}1", f"{of_watch}{value}")
        assert routed.judge(only="MET-01").findings[0].outcome is outcome
        routed.replace("host1", "metrics_node", "tandem_keepalived_up 0", "tandem_keepalived_up 1")
