"""A link that comes and goes: the first losses are keepalived's affair, the next put the node on
trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import programs

link_losses = programs.load("watch.premises.link_losses")


class Cable:
    def __init__(self, directory: Path) -> None:
        self.file = directory / "eth0"
        self.put(True)
        self.losses: Any = link_losses.LinkLosses("eth0", str(directory / "{}"))

    def put(self, up: bool) -> None:
        self.file.write_text("1\n" if up else "0\n")

    def flap(self, now_s: float) -> str:
        """What is found while it is pulled."""
        assert self.losses.fault(now_s) == ""
        self.put(False)
        found = self.losses.fault(now_s + 0.1)
        assert self.losses.fault(now_s + 0.2) == found, "it is the same loss"
        self.put(True)
        assert self.losses.fault(now_s + 0.3) == ""
        return str(found)


def test_the_third_loss_within_two_minutes_is_a_fault(tmp_path: Path) -> None:
    cable = Cable(tmp_path)
    found = [cable.flap(now_s) for now_s in (0, 1, 2, 3)]
    assert found[:2] == ["", ""]
    assert found[2] == "eth0 has lost its link 3 times within two minutes"
    assert "4 times" in found[3]
    assert cable.flap(300) == "", "long ago"


def test_a_machine_that_has_no_link_or_does_not_tell_has_lost_none(tmp_path: Path) -> None:
    silent = link_losses.LinkLosses("eth0", str(tmp_path / "{}"))
    assert [silent.fault(now_s) for now_s in range(5)] == [""] * 5
