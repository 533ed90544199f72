"""Changes that restart a service or are refused in a machine's turn, while clients ask."""

from __future__ import annotations

from pathlib import Path

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.deployment import deploy
from tests.support.lab.pair import digests, holders, on, process, with_snippets


def test_a_host_that_fails_in_its_turn_leaves_the_other_as_it_was(
    lab: Lab, plain: None, snippets: Path
) -> None:
    """nginx's own test accepts it, and the health question is answered with 500."""
    (snippets / "bad.conf").write_text(
        "server {\n    listen 80;\n    server_name tandem;\n    return 500;\n}\n"
    )
    before = digests(lab)
    with asking(lab) as seen:
        done = deploy(lab, *with_snippets(snippets))
    assert done.returncode == 1
    assert "answers 'HTTP/1.1 500 Internal Server Error' to GET /tandem-health" in done.stdout
    assert "Stopped: host2 failed" in done.stdout
    assert "and run this again" in done.stdout
    assert digests(lab) == before
    assert seen.lost == {}


def test_a_machine_that_is_restarted_gives_the_vip_away_before_and_has_it_back(
    lab: Lab, plain: None
) -> None:
    """Another file limit is another unit, which a running nginx cannot take on."""
    with asking(lab) as seen:
        done = deploy(lab, "--data", "worker_connections=2048")
        assert done.returncode == 0, done.stdout
        assert "the VIP goes to another machine, because nginx has to be restarted" in done.stdout
        assert holders(lab) == ["host1"]
    assert seen.lost == {}
    assert on(lab, "host1", "ls /run/tandem").split() == [
        *("failed", "last-resort", "overload"),
    ]


def test_a_restart_that_would_leave_nobody_is_refused(lab: Lab, plain: None) -> None:
    before = process(lab, "host1")
    on(lab, "host2", "systemctl stop keepalived")
    try:
        # Only host1: a complete run would have mended host2 first.
        done = deploy(lab, "--limit", "host1", "--data", "worker_connections=2048")
        assert done.returncode == 1
        assert "nginx has to be restarted on host1, and no other machine could" in done.stdout
        assert "host2: it is not part of this run" in done.stdout
        assert process(lab, "host1") == before
    finally:
        on(lab, "host2", "systemctl start keepalived")
