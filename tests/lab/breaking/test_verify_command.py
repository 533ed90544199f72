"""verify.py where machines go away, or while one does."""

from __future__ import annotations

import threading
from pathlib import Path

from lab.twin import Lab
from tests.support.lab.breaking import until
from tests.support.lab.verifier_runs import verify


def test_with_every_machine_gone_there_is_still_a_report(healthy: Lab, tmp_path: Path) -> None:
    try:
        for host in ("host1", "host2"):
            healthy.unplug(host)
        result = verify(healthy, tmp_path)
        part = verify(healthy, tmp_path / "part", "only=KA")
    finally:
        for host in ("host1", "host2"):
            healthy.plug(host)
        after = verify(healthy, tmp_path / "after", "wait=60")
    assert result.exit_code == 1
    assert result.ids("fail") == {"HOST-01", "X-11"}, result.output
    assert part.exit_code == 1 and part.causes == {"HOST-01"}, part.output
    assert not part.ids("ok")
    assert after.exit_code == 0, after.output


def test_a_machine_that_dies_while_it_is_asked_is_a_finding(healthy: Lab, tmp_path: Path) -> None:
    """Its cable is pulled when it has begun to listen, which it does for a second."""
    listening = "pgrep -f '[p]erl - eth0' || pgrep -f '[p]ython3 - eth0'"
    found = []

    def look() -> None:
        found.append(verify(healthy, tmp_path))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        until(healthy, "host2", listening)
        healthy.unplug("host2")
        thread.join()
    finally:
        healthy.plug("host2")
        thread.join()
        after = verify(healthy, tmp_path / "after", "wait=30")
    assert found[0].exit_code == 1
    assert found[0].causes == {"HOST-01"}, found[0].output
    assert "stopped answering" in found[0].output
    assert after.exit_code == 0, after.output
