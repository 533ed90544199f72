"""The plan of a run, kind by kind of change, beside what the run then does to machines that
remember it, and what keepalived's election makes of the VIP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import gevent
import pytest
from pyinfra.context import ctx_host

from controller import run_changes
from controller.output import conversation, summary
from settings import Refused
from tasks.nginx import foreseen, generation
from tasks.watch import health_watch
from tests.support.simulated.simulated_cluster import SimulatedCluster

pytestmark = pytest.mark.usefixtures("no_download")
Given = dict[str, Any]
DRY = conversation.RunWords(("deploy.py",), "inventory.py", plans=True, dry=True, confirm=None)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCluster:
    """Three machines as a deploy leaves them; the first holds the VIP."""
    found = SimulatedCluster(3, tmp_path_factory.mktemp("deployed"))
    with found.prepared(found.inventory({}), "deploy.py") as state:
        found.execute(state)
    assert [machine.holds for machine in found.machines.values()] == [True, False, False]
    return found


@pytest.fixture
def cluster(deployed: SimulatedCluster, tmp_path: Path) -> SimulatedCluster:
    return deployed.copy(tmp_path / "cluster")


def planned_and_done(
    cluster: SimulatedCluster, given: Given, deploy_file: str = "deploy.py", **of_one: Given
) -> tuple[str, str]:
    """The plan's sentence, and that of what was done then; both also by what really happened."""
    cluster.begin()
    with cluster.prepared(cluster.inventory(given, **of_one), deploy_file) as state:
        hosts = sorted(state.active_hosts, key=lambda host: host.name)
        plan = {host.name: run_changes.plan_of(host).changes for host in hosts}
        would = summary.sentence(plan, run_changes.moves(state, plan))
        moves = run_changes.moves(state, plan)
        cluster.execute(state)
        done = {host.name: run_changes.of(host) for host in hosts}
        did = summary.sentence(done, run_changes.moves(state, done))
    assert plan == done
    assert moves == cluster.moves
    for name, machine in cluster.machines.items():
        services = [line for line in done[name].services if not line.endswith(" daemon-reload")]
        assert machine.actions == services
    return would, did


def snippet(directory: Path, text: str) -> Given:
    directory.mkdir(exist_ok=True)
    (directory / "own.conf").write_text(text)
    return {"nginx_snippets": str(directory)}


def another_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    make = health_watch.unit_file
    monkeypatch.setattr(
        health_watch,
        "unit_file",
        lambda *given: make(*given).replace("\nNice=", "\nNice=1") + "LimitNOFILE=77\n",
    )


def another_description(monkeypatch: pytest.MonkeyPatch) -> None:
    make = health_watch.unit_file
    monkeypatch.setattr(health_watch, "unit_file", lambda *given: make(*given) + "RestartSec=3\n")


KINDS: dict[str, tuple[Given, str]] = {
    "nothing": ({}, ""),
    "a setting of nginx's": (
        {"keepalive_timeout_s": 33},
        "change 1 file on 3 machines, reload nginx on 3, move the VIP 0 times",
    ),
    "a setting of nginx's unit": (
        {"worker_connections": 2048},
        "change 2 files on 3 machines, restart nginx on 3, move the VIP 2 times",
    ),
    "a flag of nginx's build": (
        {"nginx_extra_flags": ["--with-http_addition_module"]},
        "upgrade nginx on 3, move the VIP 0 times",
    ),
    "keepalived.conf": (
        {"notification_email": ["root@example.org"]},
        "",
    ),
    "another VRID, which those before do not hear": (
        {"virtual_router_id": 77},
        "move the VIP 3 times",
    ),
}


def test_who_asks_a_machine_at_the_same_time_as_others_is_told_the_same(
    cluster: SimulatedCluster,
) -> None:
    """All machines' greenlets do, while the run is prepared: each wants to know of the others."""
    with cluster.prepared(cluster.inventory({}), "deploy.py") as state:
        asked = state.inventory.get_host("@fake/host1")
        look = "/usr/lib/tandem/apply-nginx look "
        asking = [gevent.spawn(asked.run_shell_command, look) for _ in range(40)]
        answers = {str(greenlet.get()) for greenlet in asking}
    assert len(answers) == 1 and "Action=none" in answers.pop()


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_of_a_setting_is_what_the_run_does(cluster: SimulatedCluster, kind: str) -> None:
    given, expected = KINDS[kind]
    would, did = planned_and_done(cluster, given)
    assert would == did
    assert expected in would
    assert bool(expected or given) == bool(would)
    if given:
        assert planned_and_done(cluster, given) == ("", ""), "what is done is not planned again"


def test_a_setting_of_one_machine(cluster: SimulatedCluster) -> None:
    would, _ = planned_and_done(cluster, {}, host2={"worker_connections": 2048})
    assert "restart nginx on 1, move the VIP 0 times" in would


def test_another_order_of_the_machines_moves_the_vip(cluster: SimulatedCluster) -> None:
    would, _ = planned_and_done(cluster, {}, host3={"priority": 200})
    assert "reload keepalived on 3" in would and "move the VIP 1 time" in would


def test_a_snippet_that_comes_and_goes(cluster: SimulatedCluster, tmp_path: Path) -> None:
    given = snippet(tmp_path / "own", "gzip on;\n")
    would, _ = planned_and_done(cluster, given)
    assert would == "change 1 file on 3 machines, reload nginx on 3, move the VIP 0 times"
    (tmp_path / "own" / "own.conf").unlink()
    assert planned_and_done(cluster, given)[0] == would, "it is removed"


def test_a_site(cluster: SimulatedCluster, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("it\n")
    site = {"content": str(tmp_path / "site"), "server_names": ["www.example.org"]}
    would, _ = planned_and_done(cluster, {"sites": [site]})
    assert "other steps on 3 machines" in would and "reload nginx on 3" in would


@pytest.mark.parametrize(
    ("change", "expected"),
    [(another_unit, "restart tandem-watch on 3"), (another_description, "daemon-reload")],
)
def test_a_unit_by_what_differs_in_it(
    cluster: SimulatedCluster,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    expected: str,
) -> None:
    change(monkeypatch)
    would, _ = planned_and_done(cluster, {})
    assert would.startswith("change 1 file on 3 machines, ") and expected in would


def test_a_snippet_that_nginx_refuses_is_refused_by_the_plan_with_all_machines_once(
    cluster: SimulatedCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = snippet(tmp_path / "own", "broken;\n")
    machines = cluster.inventory(given)
    with cluster.prepared(machines, "deploy.py") as state, pytest.raises(Refused) as refused:
        conversation.tell_plan(state, DRY)
    said = str(refused.value)
    assert said.count("unknown directive") == 1
    assert "@fake/host1, @fake/host2, @fake/host3: nginx: nginx: [emerg] unknown directive" in said
    assert "No machine was changed." in said
    assert not any(machine.actions for machine in cluster.machines.values())


def test_diff_shows_what_differs_with_the_machines_that_it_concerns(
    cluster: SimulatedCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = cluster.inventory({"keepalive_timeout_s": 33})
    with cluster.prepared(machines, "deploy.py", diff=True) as state:
        conversation.tell_plan(state, DRY)
    said = click.unstyle(capsys.readouterr().err)
    assert "/etc/nginx/nginx.conf (@fake/host1, @fake/host2, @fake/host3)" in said
    assert said.count("keepalive_timeout") == 2, "the line that goes, and the one that comes"
    assert "mime.types" not in said and "index.html" not in said
    assert said.rstrip().endswith(
        "--> deploy.py would change 1 file on 3 machines, reload nginx on 3, move the VIP 0 times. "
        "No machine was changed. To do it, leave out --dry."
    )


def test_a_restart_that_the_run_would_refuse_is_refused_by_the_plan(
    cluster: SimulatedCluster,
) -> None:
    machines = cluster.inventory({"worker_connections": 2048})
    with pytest.raises(Refused, match="no other machine could take the VIP meanwhile"):  # noqa: SIM117
        with cluster.prepared(machines, "deploy.py", limit="@fake/host1"):
            pass


def test_what_is_sent_for_the_plan_is_not_shown_with_its_question(
    cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    machines = cluster.inventory({"keepalive_timeout_s": 33})
    with caplog.at_level("DEBUG", "pyinfra"), cluster.prepared(machines, "deploy.py") as state:
        state.print_fact_info = True
        ask = state.inventory.get_host("@fake/host1")
        with ctx_host.use(ask):
            foreseen.foresee("x", tar=packed())
    said = [record.getMessage() for record in caplog.records]
    loaded = [line for line in said if "ForeseenActionFact" in line and "Loaded" in line]
    assert loaded and all("_stdin=(not shown)" in line for line in loaded)


def packed() -> bytes:
    files = {"unit": "", "about": "build=1\n", "etc/tls/a.key": "secret"}
    return generation.Generation("1", files).tar()
