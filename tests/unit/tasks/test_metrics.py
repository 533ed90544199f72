"""Metrics: what the node's exporter prints, who may read it, and what is said about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from tasks.machine.survey import mismatches, parse_survey
from tasks.metrics import exporters
from tests.support import fakes, programs
from tests.support.snapshots import DEFAULT, SAMPLES, Spoiled, bad, said, told
from tests.unit.settings.test_settings import inventory, mistakes
from tests.unit.tasks.test_deploy import machines
from verify.checks.check import Outcome

program = programs.load("metrics")
keepalived_state = programs.load("common.keepalived_state")
ASKED: dict[str, Any] = {"metrics": True, "metrics_allow": ["172.16.0.1"]}
DOCS = fakes.ROOT / "docs"
# What prometheus-nginx-exporter prints of an nginx with stub_status, in 0.11 and in 1.4.
NGINX = {
    *("nginx_up", "nginx_connections_accepted", "nginx_connections_active"),
    *("nginx_connections_handled", "nginx_connections_reading", "nginx_connections_waiting"),
    *("nginx_connections_writing", "nginx_http_requests_total"),
}
PROMETHEUS = {"up"}  # of every scrape


def seen(**other: Any) -> dict[str, Any]:
    text = said(DEFAULT, "host1", "vrrp")
    return {
        "services": {"nginx": True, "keepalived": True},
        "addresses": {"172.16.12.61", "172.16.12.254"},
        "drains": {"person": False, "deploy": True},
        "watch": {"failed": 0, "last-resort": 1},
        "overload": program.overload("full 3 81.0 -\nbusy 1 7.5 9.0\n"),
        "instances": keepalived_state.parse_state(text),
    } | other


def page(**other: Any) -> str:
    vips = ["172.16.12.254", "fd61:1::254"]
    return str(program.page("host1", "web", vips, seen(**other)))


def names(text: str) -> set[str]:
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}


# --- its ports ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listens", "said"),
    [
        (
            '*:9113 *:* users:(("haproxy",pid=812,fd=7),("haproxy",pid=813,fd=7))',
            "haproxy (pid 812)",
        ),
        ('172.16.12.61:9113 *:* users:(("a \\"b",pid=1,fd=3))', "listens there"),
        ('127.0.0.1:9113 *:* users:(("haproxy",pid=812,fd=7))', ""),
        ('0.0.0.0:9113 *:* users:(("prometheus-ngin",pid=812,fd=7))', ""),
    ],
)
def test_a_port_that_another_program_has_is_refused_before_anything_is_changed(
    listens: str, said: str, tmp_path: Path
) -> None:
    ss = tmp_path / "ss"
    ss.write_text(f"#!/bin/sh\n[ \"$2\" != 'sport = :9113' ] || echo 'LISTEN 0 128 {listens}'\n")
    ss.chmod(0o755)
    (cluster,) = settings.load(inventory(**ASKED | {"metrics_nginx_port": 9113}))
    node = next(node for node in cluster.nodes if str(node.address) == "172.16.12.61")
    done = subprocess.run(
        ["sh", "-c", exporters._ports_are_free(node)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == (1 if said else 0), done.stderr
    if said:
        assert done.stdout.startswith("metrics_nginx_port=9113: ") and said in done.stdout
    else:
        assert done.stdout == ""


# --- the page -------------------------------------------------------------------------------------


def test_it_says_what_was_seen() -> None:
    lines = page().splitlines()
    for line in (
        'tandem_info{node="host1",cluster="web"} 1',
        'tandem_vip_held{vip="172.16.12.254"} 1',
        'tandem_vip_held{vip="fd61:1::254"} 0',
        'tandem_drained{by="person"} 0',
        'tandem_drained{by="deploy"} 1',
        "tandem_watch_failed 0",
        "tandem_watch_last_resort 1",
        'tandem_nginx_overloaded{kind="full"} 1',
        'tandem_nginx_overloaded{kind="busy"} 0',
        'tandem_nginx_overloads_total{kind="full"} 3',
        "tandem_keepalived_up 1",
        'tandem_vrrp_state{vrrp_instance="VI_1"} 2',
        'tandem_vrrp_priority{vrrp_instance="VI_1"} 254',
    ):
        assert line in lines, line


def test_each_metric_is_described_once_and_its_samples_stand_together() -> None:
    described = re.findall(r"^# TYPE (\S+) ", page(), re.MULTILINE)
    assert len(described) == len(set(described))
    assert set(described) == names(page())
    counters = set(re.findall(r"^# TYPE (\S+) counter$", page(), re.MULTILINE))
    assert counters == {name for name in described if name.endswith("_total")}


def test_a_keepalived_that_says_nothing_is_down_and_the_rest_is_told() -> None:
    text = page(instances=[])
    assert "tandem_keepalived_up 0" in text and "tandem_vrrp" not in text
    assert "tandem_vip_held" in text


def test_both_forms_of_keepalived_state_are_read() -> None:
    bare = '[{"data":{"iname":"a\\/b","up":true,"x":null},"stats":{}}]'
    assert keepalived_state.parse_state(bare)[0]["data"] == {"iname": "a/b", "up": True, "x": None}
    assert keepalived_state.parse_state(f'{{"vrrp": {bare}}}') == keepalived_state.parse_state(bare)


def test_a_name_with_quotes_stays_one_label() -> None:
    text = program.page('a"b\\c', "web", [], seen())
    assert 'node="a\\"b\\\\c"' in text


# --- who may read, and what is deployed -----------------------------------------------------------


def node(**more: Any) -> Any:
    return settings.of(fakes.inventory(**(ASKED | more)).get_host("@fake/host1"))


def test_the_table_lets_those_in_that_are_named_and_turns_others_away() -> None:
    one, _ = node(metrics_allow=["10.1.0.0/24", "10.1.0.7", "172.16.0.1"])
    text = exporters.rules(one)
    # nft takes no network that lies within another.
    assert "ip saddr { 10.1.0.0/24, 172.16.0.1/32 } accept\n        reject" in text
    assert "tcp dport { 9113, 9114 } goto scrape" in text


def test_the_exporters_are_bound_to_the_machines_own_address() -> None:
    one, cluster = node()
    assert "--address 172.16.12.61 --port 9114" in exporters.command(one, cluster)
    unit = exporters.unit_file(one, exporters.command(one, cluster))
    # Not with a dash: without the table nothing is served.
    assert f"\nExecStartPre=/usr/sbin/nft --file {exporters.TABLE}\n" in unit


@pytest.mark.usefixtures("no_download")
def test_the_walls_stand_before_the_package_is_installed() -> None:
    """Debian starts the exporter the moment it has it."""
    group = fakes.inventory(**ASKED)
    commands = fakes.run("deploy.py", group)["@fake/host1"]
    wanted = f" {exporters.NGINX}"
    (installed,) = (i for i, c in enumerate(commands) if "apt-get install" in c and wanted in c)
    for path in (exporters.TABLE, exporters.DROP_IN):
        moved = re.compile(rf"mv -fT \S+ {path} ")
        placed = next(i for i, command in enumerate(commands) if moved.search(command))
        assert placed < installed


@pytest.mark.usefixtures("no_download")
def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    commands = fakes.placing(
        fakes.run("deploy.py", machines("debian12", "debian12"))["@fake/host1"]
    )
    assert exporters.NGINX not in commands and "tandem_metrics" not in commands


@pytest.mark.parametrize(
    ("distribution", "init", "remedy"),
    [("rocky9", "systemd", "no package of this family"), ("debian12", "init", "systemd")],
)
def test_a_machine_that_cannot_have_them_is_refused(
    distribution: str, init: str, remedy: str
) -> None:
    one, _ = node()
    (mistake,) = mismatches(one, parse_survey(fakes.survey(distribution, init=init)))
    assert mistake.setting == "metrics" and remedy in mistake.remedy


def test_what_is_wrong_with_the_settings_is_said_at_once() -> None:
    found = mistakes(inventory(metrics=True, metrics_port=80, metrics_nginx_port=80))
    assert len(found) == 3
    assert any("name who scrapes" in each for each in found)
    assert any("metrics_port = 80: this is http_port, too" in each for each in found)
    assert any("metrics_nginx_port = 80: this is http_port, too" in each for each in found)


@pytest.mark.parametrize(
    ("allow", "remedy"),
    [
        (["0.0.0.0/0"], "this is everybody"),
        (["prometheus.example.org"], "no names here"),
        (["10.0.0.1/24"], "host bits set"),
        ("10.0.0.1", "a list of IPv4 addresses"),
    ],
)
def test_who_may_scrape_has_to_be_said_in_addresses(allow: Any, remedy: str) -> None:
    (mistake,) = mistakes(inventory(metrics=True, metrics_allow=allow))
    assert "metrics_allow" in mistake and remedy in mistake


# --- the verifier ---------------------------------------------------------------------------------

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
TABLE = (SAMPLES / "metrics-table.json").read_text().replace("172.16.12.62", "172.16.0.1")
EVERYBODY = '{"prefix": {"addr": "0.0.0.0", "len": 0}}'
REFUSED = 7


def scraped() -> Spoiled:
    """The healthy pair with metrics = True, as its probes then answer."""
    spoiled = Spoiled(DEFAULT)
    for place in spoiled.data["clusters"][0]["nodes"]:
        place.update(metrics=True, metrics_allow=["172.16.0.1/32"])
    for host, other in (("host1", "host2"), ("host2", "host1")):
        sections = spoiled.data["looks"][host]["sections"]
        for name, line in (("metrics_nginx", "nginx_up 1"), ("metrics_node", page())):
            sections[name] = {"command": "curl -si", "status": 0, "text": f"{HEAD}{line}"}
            refused = {"command": "curl -si", "status": REFUSED, "text": "\n0.001"}
            sections[f"{name}:{other}"] = refused
        sections["metrics_table"] = {"command": "nft", "status": 0, "text": told(TABLE)}
    return spoiled


def test_without_metrics_nothing_is_asked() -> None:
    verdict = Spoiled(DEFAULT).judge("MET")
    assert {finding.outcome for finding in verdict.findings} == {Outcome.SKIP}


def test_two_well_exporters_pass() -> None:
    verdict = scraped().judge("MET")
    assert {finding.outcome for finding in verdict.findings} == {Outcome.OK}, verdict.bad


@pytest.mark.parametrize(
    ("probe", "text", "status", "check"),
    [
        ("metrics_nginx", "", REFUSED, "MET-01"),
        ("metrics_nginx", f"{HEAD}nginx_up 0", 0, "MET-01"),
        ("metrics_node", f"{HEAD}tandem_keepalived_up 0", 0, "MET-01"),
        ("metrics_nginx:host2", f"{HEAD}nginx_up 1\n0.002", 0, "MET-02"),
        ("metrics_table", "Error: No such file or directory", 1, "MET-02"),
        ("metrics_table", TABLE.replace('"172.16.0.1"', '"10.9.9.9"'), 0, "MET-02"),
        ("metrics_table", TABLE.replace('"172.16.0.1"', EVERYBODY), 0, "MET-02"),
        ("metrics_table", TABLE.replace("9114]", "9115]"), 0, "MET-02"),
    ],
)
def test_one_that_fails_or_is_open_is_found(probe: str, text: str, status: int, check: str) -> None:
    spoiled = scraped().answer("host1", probe, text, status)
    assert bad(spoiled.judge("MET")) == {check}


def test_one_that_answers_on_every_address_is_found() -> None:
    spoiled = scraped()
    spoiled.add(
        "host1", "listeners", 'LISTEN 0 16 0.0.0.0:9114 0.0.0.0:* users:(("python3",pid=9,fd=3))'
    )
    assert bad(spoiled.judge("MET")) == {"MET-01"}


# --- what is written about them -------------------------------------------------------------------


def asked_for(expressions: str) -> set[str]:
    """The metrics that expressions of PromQL use."""
    return set(re.findall(r"\b(?:tandem|nginx)_\w+|\bup\b", expressions))


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text())
    return found


def test_the_dashboard_asks_for_what_is_printed() -> None:
    expressions = [
        target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]
    asked = asked_for("\n".join(expressions))
    assert len(expressions) >= 8 and asked
    assert asked <= set(program.METRICS) | NGINX | PROMETHEUS


def test_the_dashboards_panels_have_their_places() -> None:
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and panel["title"]


def test_the_alerts_ask_for_what_is_printed() -> None:
    text = (DOCS / "prometheus-alerts.yml").read_text()
    rules = re.findall(r"- alert: (\w+)\n +expr: (.+)\n", text)
    assert len(rules) == text.count("- alert:") == text.count("summary:") >= 8
    for _, expression in rules:
        assert asked_for(expression)
        assert asked_for(expression) <= set(program.METRICS) | NGINX | PROMETHEUS


def test_every_metric_of_ours_is_explained() -> None:
    text = (DOCS / "metrics.md").read_text()
    for name in names(page()):
        assert f"`{name}" in text, name
