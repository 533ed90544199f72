"""Who deployed what, and the way back to a generation of the whole machine while clients ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.deployment import Done, deploy, pyinfra, verify
from tests.support.lab.pair import (
    HOME,
    HOSTS,
    changed_nothing,
    holders,
    kill_when,
    on,
    own_records_alone,
    start_deploy,
    with_snippets,
)

NAME = "www.example.org"
INDEXES = "/var/lib/tandem/generations"
SNIPPET = "server {{\n    listen 8099;\n    return 200 'snippet {0}\\n';\n}}\n"


@dataclass
class TwoGenerations:
    """The pair after two deploys, A and B, which differ in all that a rollback brings back."""

    lab: Lab
    directory: Path
    configurations: dict[str, list[str]]
    ids: dict[str, str]

    def data(self, name: str) -> list[str]:
        """The settings of A or B."""
        snippets = self.directory / name
        snippets.mkdir(exist_ok=True)
        (snippets / "hello.conf").write_text(SNIPPET.format(name))
        sites = [{"server_names": [NAME], "page": f"site {name}"}]
        interval = {"A": "0.1", "B": "0.2"}[name]
        return [
            *with_snippets(snippets),
            *("--data", f"sites={json.dumps(sites)}"),
            *("--data", f"advert_interval_s={interval}"),
        ]

    def deploy(self, name: str) -> Done:
        done = deploy(self.lab, *self.data(name))
        assert done.returncode == 0, done.stdout
        return done

    def rollback(self, *words: str) -> Done:
        return pyinfra(self.lab, "-y", "inventory.py", "rollback.py", *words)

    def assert_serves(self, name: str) -> None:
        """Everything of A or B is in service on both machines."""
        for host in HOSTS:
            ask = f"curl -s -m 3 -H 'Host: {NAME}' http://127.0.0.1/"
            assert on(self.lab, host, ask) == f"site {name}"
            assert on(self.lab, host, "curl -s -m 3 http://127.0.0.1:8099/") == f"snippet {name}"
        assert keepalived(self.lab) == self.configurations[name]
        assert holders(self.lab) == ["host1"]


def keepalived(lab: Lab) -> list[str]:
    """A digest of keepalived.conf on both."""
    return [on(lab, host, "sha256sum </etc/keepalived/keepalived.conf") for host in HOSTS]


def present(lab: Lab) -> str:
    """The generation that both machines say is in place."""
    (found,) = {on(lab, host, f"basename $(readlink {INDEXES}/present) .json") for host in HOSTS}
    return found


def last_record(lab: Lab, host: str) -> dict[str, object]:
    record: dict[str, object] = json.loads(on(lab, host, "tail -n 1 /var/lib/tandem/deploys.jsonl"))
    return record


@pytest.fixture(scope="module")
def both(
    lab: Lab, deployed: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoGenerations]:
    now = TwoGenerations(lab, tmp_path_factory.mktemp("generations"), {}, {})
    try:
        for name in ("A", "B"):
            now.deploy(name)
            now.configurations[name], now.ids[name] = keepalived(lab), present(lab)
        yield now
    finally:
        back = deploy(lab)
        assert back.returncode == 0, back.stdout


def test_each_machine_says_who_deployed_what(lab: Lab, both: TwoGenerations) -> None:
    for host in HOSTS:
        record = last_record(lab, host)
        assert record["exit"] == "done"
        assert record["sites"] == [NAME]
        assert record["services"] == ["nginx: reload", "keepalived: reload"]
        assert {"/etc/nginx/conf.d/hello.conf", "/etc/keepalived/keepalived.conf"} <= set(
            record["files"]  # type: ignore[call-overload]
        )
        assert re.fullmatch(r"\S+@\S+", str(record["operator"]))
        assert on(lab, host, "stat -c %a /var/lib/tandem/deploys.jsonl") == "644"
        said = on(lab, host, "journalctl -t tandem -o cat -n 1")
        assert said.startswith(f"deploy of {record['revision']} by {record['operator']}")


def test_a_deploy_that_changes_nothing_writes_nothing(lab: Lab, both: TwoGenerations) -> None:
    look = f"cat /var/lib/tandem/deploys.jsonl; ls -l --full-time {INDEXES}"
    before = [on(lab, host, look) for host in HOSTS]
    assert changed_nothing(both.deploy("B").stdout)
    assert [on(lab, host, look) for host in HOSTS] == before


def test_what_there_is_to_go_back_to_is_listed_and_nothing_touched(
    lab: Lab, both: TwoGenerations
) -> None:
    look = "find /var/lib/tandem /etc/nginx /etc/keepalived -type f | sort | xargs sha256sum"
    before = [on(lab, host, look) for host in HOSTS]
    done = pyinfra(lab, "inventory.py", "rollback.py", "--data", "list=1")
    assert done.returncode == 0, done.stdout
    assert both.ids["A"] in done.stdout
    assert "differs in" in done.stdout and f"site {NAME}" in done.stdout
    assert "host2: in place" in done.stdout
    assert [on(lab, host, look) for host in HOSTS] == before


def test_a_machine_that_has_not_got_it_is_named_and_nothing_touched(
    lab: Lab, both: TwoGenerations
) -> None:
    index = f"{INDEXES}/{both.ids['A']}.json"
    on(lab, "host2", f"mv {index} /run/kept.json")
    try:
        done = both.rollback("--data", f"to={both.ids['A']}")
    finally:
        on(lab, "host2", f"mv /run/kept.json {index}")
    assert done.returncode != 0
    assert "host2: it has not got it" in done.stdout
    assert "No machine was touched" in done.stdout
    both.assert_serves("B")


@pytest.mark.timeout(400)
def test_a_rollback_brings_all_of_it_back_and_a_deploy_the_newer_one(
    lab: Lab, both: TwoGenerations
) -> None:
    with asking(lab) as seen:
        back = both.rollback()
        assert back.returncode == 0, back.stdout
    assert seen.lost == {}
    assert f"web is at generation {both.ids['A']}" in back.stdout
    both.assert_serves("A")
    assert present(lab) == both.ids["A"]
    for host in HOSTS:
        assert (last_record(lab, host)["command"], last_record(lab, host)["to"]) == (
            "rollback",
            both.ids["A"],
        )
    healthy = verify(lab, *both.data("A"), "--data", "wait=30")
    assert healthy.returncode == 0, healthy.stdout

    with asking(lab) as seen:
        forward = both.rollback("--data", f"to={both.ids['B']}")
        assert forward.returncode == 0, forward.stdout
        both.assert_serves("B")
        again = both.rollback()
        assert again.returncode == 0, again.stdout
        both.assert_serves("A")
        both.deploy("B")
    assert seen.lost == {}
    both.assert_serves("B")
    assert changed_nothing(both.deploy("B").stdout)


@pytest.mark.timeout(400)
def test_a_deploy_that_was_killed_is_seen_and_undone(lab: Lab, both: TwoGenerations) -> None:
    staged = on(lab, "host1", f"readlink {HOME}/staged")
    running = start_deploy(lab, *both.data("A"))
    kill_when(lab, running, f'[ "$(readlink {HOME}/staged)" != {staged} ]')
    assert last_record(lab, "host1")["exit"] == "begun"
    seen = verify(lab, *both.data("B"))
    assert "warn SYS-11 host1" in seen.stdout
    assert "deploy begun, not done" in seen.stdout
    with asking(lab) as asked:
        back = both.rollback()
        assert back.returncode == 0, back.stdout
    assert asked.lost == {}
    assert "did not come to its end, and is undone" in back.stdout
    both.assert_serves("B")
    assert last_record(lab, "host1")["exit"] == "done"
    # The deploy that finds a rolled back cluster as its settings have it writes that down.
    assert own_records_alone(both.deploy("B").stdout)
    assert changed_nothing(both.deploy("B").stdout)
