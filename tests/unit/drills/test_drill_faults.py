"""What a drill tells machines, and makes of what they say, without any machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from drills.conduct import runner
from drills.control import faults, self_undo


def test_a_page_that_two_nodes_serve_does_not_name_one() -> None:
    node = SimpleNamespace
    cluster: Any = SimpleNamespace(
        nodes=(node(page="same", name="a"), node(page="same", name="b"), node(page="x", name="c"))
    )
    assert runner.pages(cluster) == {"same": "", "x": "c"}


def test_a_machine_is_steady_only_with_everything_ready() -> None:
    ready = "nginx\nkeepalived\nhttp=200\n"
    states = {"host1": f"holds\n{ready}", "host2": ready}
    assert faults.unsteady(states, "host1") == ""
    assert "host1 does not hold" in faults.unsteady({**states, "host1": ready}, "host1")
    assert "host2 still holds" in faults.unsteady({**states, "host2": f"holds\n{ready}"}, "host1")
    assert "host2: not ready: nginx" in faults.unsteady(
        {**states, "host2": "keepalived http=200"}, "host1"
    )


def test_a_fault_that_outlives_us_is_armed_to_undo_itself() -> None:
    script = self_undo.inject("nginx", "break it", "mend 'it'", outlives_s=60)
    assert script.index("setsid --fork") < script.index("break it")
    assert "sleep 60" in script
    assert self_undo.times("at=1.5\nnoise\nat=2.5") == [1.5, 2.5]
    assert "setsid" not in self_undo.inject("worker", "kill", "")
