"""Steps of the hand-over that the kernel refuses: what is said of them, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import programs

moving_address = programs.load("handover.moving_address")
results = programs.load("common.commands")
VIP, VIP6 = "172.16.12.254", "fd61:1::254"


def test_what_fails_again_and_again_is_said_once_until_it_is_something_else_or_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An IPv6 address where IPv6 is switched off fails for ever."""
    answers = [(2, "denied"), (2, "denied"), (2, "busy"), (0, ""), (2, "busy"), (1, "")]
    given = iter(answers)

    def run(*_: str, timeout_s: float) -> Any:
        code, errors = next(given)
        return results.CommandResult(code, "", errors)

    monkeypatch.setattr(moving_address, "run", run)
    done = [moving_address.put_on_lo(VIP6, "forever") for _ in answers]
    assert done == [False, False, False, True, False, False]
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in said] == ["denied", "busy", "busy", "exit 1"]
    assert said[0].startswith(f"ip address replace {VIP6}/128 dev lo")


def test_a_step_that_is_refused_is_tried_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(moving_address, "logged", lambda *words: tried.append(" ".join(words)))
    monkeypatch.setattr(
        moving_address.MovingAddress, "_forget_ended_connections", lambda self: None
    )
    its = moving_address.MovingAddress(VIP, "172.16.12.61", [], "eth0", 60, 1)
    its.holds = True
    for tenth in range(41):
        its.step(1000 + tenth / 10)
    assert len(tried) == 3
    assert capsys.readouterr().err.count(f"{VIP}: have") == 1
