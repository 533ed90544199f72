"""A run in one sentence, and in lines."""

from __future__ import annotations

import pytest

from controller.output import summary
from controller.run_changes import MachineChanges, Plan


def changes(files: str = "", services: tuple[str, ...] = (), steps: str = "") -> MachineChanges:
    return MachineChanges(files.split(), list(services), steps.split())


@pytest.mark.parametrize(
    ("given", "moves", "expected"),
    [
        ({"host1": changes()}, 0, ""),
        ({"host1": changes()}, None, ""),
        ({"host1": changes()}, 1, "move the VIP 1 time"),
        (
            {
                "host1": changes("/a /b", ("nginx: reload",)),
                "host2": changes("/a", ("nginx: reload", "keepalived: restart")),
                "host3": changes("", ("nginx: reload",)),
            },
            2,
            "change 2 files on 2 machines, reload nginx on 3, restart keepalived on 1, "
            "move the VIP 2 times",
        ),
        ({"host1": changes(steps="one")}, None, "do 1 step on 1 machine"),
    ],
)
def test_the_sentence(given: dict[str, MachineChanges], moves: int | None, expected: str) -> None:
    assert summary.sentence(given, moves) == expected


@pytest.mark.parametrize(
    ("drains", "expected"),
    [
        (None, "reload nginx on 1"),
        (0, "reload nginx on 1, drain 0 machines"),
        (1, "reload nginx on 1, drain 1 machine"),
        (3, "reload nginx on 1, drain 3 machines in turn"),
    ],
)
def test_machines_that_all_have_the_vip_are_drained(drains: int | None, expected: str) -> None:
    given = {"host1": changes("", ("nginx: reload",))}
    assert summary.sentence(given, None, drains) == expected
    assert summary.sentence({"host1": changes()}, None, 0) == ""
    assert "drained 2 machines in turn" in summary.sentence(given, None, 2, done=True)


def test_what_was_done_is_told_as_done() -> None:
    said = summary.sentence({"host1": changes("/a", ("nginx: upgrade",), "x")}, 0, done=True)
    assert said == (
        "changed 1 file on 1 machine, did 1 other step on 1 machine, upgraded nginx on 1, "
        "moved the VIP 0 times"
    )


def test_each_thing_is_told_once_with_its_machines() -> None:
    plans = {
        name: Plan(
            changes("/a", ("nginx: reload",)),
            reasons={"nginx: reload": "it has changed"},
            differences={"/a": ["- 1", f"+ {own}"]},
            faults=["nginx: unknown directive"],
            doubts=["nginx: no proof"],
            warnings=["nginx: [warn] deprecated"],
        )
        for name, own in (("host1", "2"), ("host2", "2"), ("host3", "3"))
    }
    everyone = "host1, host2, host3"
    assert list(summary.lines(plans)) == [
        f"{everyone}: /a changes",
        f"{everyone}: nginx: reload, because it has changed",
        f"{everyone}: not tested before the run: nginx: no proof",
        f"{everyone}: nginx: [warn] deprecated",
    ]
    assert list(summary.differences(plans)) == [
        ("/a (host1, host2)", ["- 1", "+ 2"]),
        ("/a (host3)", ["- 1", "+ 3"]),
    ]
    assert summary.faults(plans) == [f"{everyone}: nginx: unknown directive"]
