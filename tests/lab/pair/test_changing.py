"""Planned changes while clients ask: nothing may be lost, and what is bad must not get through."""

from __future__ import annotations

from pathlib import Path

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.deployment import deploy, pyinfra
from tests.support.lab.pair import HOSTS, digests, holders, on, process, with_snippets


def test_a_setting_and_snippets_change_without_losing_a_request(
    lab: Lab, plain: None, snippets: Path
) -> None:
    before = [process(lab, host) for host in HOSTS]
    # Somebody's own file on a machine: not ours to remove, and part of what is tested.
    own = "/etc/nginx/conf.d/own.conf"
    on(lab, "host2", f"mkdir -p /etc/nginx/conf.d && echo '# mine' >{own}")
    try:
        with asking(lab) as seen:
            done = deploy(lab, *with_snippets(snippets), "--data", "workload=io")
            assert done.returncode == 0, done.stdout
            assert f"{own} is not Tandem's" in done.stdout
            for host, address in zip(HOSTS, ("172.16.12.61", "172.16.12.62"), strict=True):
                said = lab.run(["curl", "-s", f"http://{address}:8099/"]).stdout
                assert said == f"{host} 172.16.12.254\n"
            done = deploy(lab)
            assert done.returncode == 0, done.stdout
        assert on(lab, "host1", "ls /etc/nginx/conf.d") == ""
        assert on(lab, "host2", "ls /etc/nginx/conf.d") == "own.conf"
    finally:
        on(lab, "host2", f"rm -f {own}")
    assert seen.lost == {}
    assert [process(lab, host) for host in HOSTS] == before, "reloaded, not restarted"


def test_a_broken_snippet_is_refused_with_its_file_and_line_and_changes_nothing(
    lab: Lab, plain: None, snippets: Path
) -> None:
    (snippets / "bad.conf.j2").write_text(
        "server {\n    listen 8098;\n"
        '{% if node.name == "host1" %}\n    nonsense on;\n{% endif %}\n}\n'
    )
    before = digests(lab)
    with asking(lab) as seen:
        done = deploy(lab, *with_snippets(snippets))
    assert done.returncode == 1
    assert 'unknown directive "nonsense" in /etc/nginx/conf.d/bad.conf:3' in done.stdout
    assert f"is made from {snippets}/bad.conf.j2" in done.stdout
    assert "Stopped: host1 failed" in done.stdout
    assert digests(lab) == before
    assert seen.lost == {}


def test_a_switch_over_there_and_back_loses_nothing(lab: Lab, plain: None) -> None:
    def moved(word: str) -> str:
        return pyinfra(lab, "-y", "inventory.py", "switchover.py", "--data", word).stdout

    with asking(lab) as seen:
        assert "172.16.12.254 is on host2; drained: host1" in moved("to=host2")
        assert holders(lab) == ["host2"]
        assert "host1: it is drained itself" in moved("drain=host2")
        assert "172.16.12.254 is on host1" in moved("undrain=host1")
        assert holders(lab) == ["host1"]
    assert seen.lost == {}


def test_a_keepalived_setting_changes_on_both_without_losing_a_request(
    lab: Lab, plain: None
) -> None:
    changed = ("--data", "smtp_server=172.16.0.9")
    with asking(lab) as seen:
        for words in (changed, ()):
            done = deploy(lab, *words)
            assert done.returncode == 0, done.stdout
            assert "keepalived: reload, because its configuration has changed" in done.stdout
    assert holders(lab) == ["host1"]
    assert seen.lost == {}


# --- builds that are not what they seem, on the machine that holds the VIP -------------------


# --- killed ---------------------------------------------------------------------------------
