"""A BIRD that hangs (SIGSTOP, a debugger): nobody waits for it longer than for an answer."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.bird import withdrawal

CHECKOUT = Path(__file__).resolve().parents[4]
# What asks BIRD in shell, and not in words for a person, gives its options.
ASKS = re.compile(r"""((?:timeout \d+ )?)(?:/usr/sbin/)?birdcl?['" ]+-""")
ASKING = [
    f"{path.relative_to(CHECKOUT)}:{line.count(chr(10), 0, found.start()) + 1}"
    + ("" if found[1] else " waits for ever")
    for folder in ("controller", "drills", "files", "tasks", "templates", "verify")
    for path in sorted((CHECKOUT / folder).rglob("*"))
    if path.is_file() and path.suffix != ".pyc"
    for line in [path.read_text(encoding="utf-8", errors="replace")]
    for found in ASKS.finditer(line)
]


@pytest.mark.parametrize("place", ASKING)
def test_whoever_asks_bird_in_shell_gives_up_after_some_seconds(place: str) -> None:
    assert "for ever" not in place


def test_all_who_ask_are_found() -> None:
    asking = {place.partition(":")[0] for place in ASKING}
    assert {"tasks/bird/withdrawal.py", "templates/nginx/nginx.service.j2"} <= asking


@pytest.mark.parametrize("wait", [withdrawal.wait_until_announced, withdrawal.wait_until_withdrawn])
def test_a_turn_does_not_wait_longer_for_a_bird_that_hangs(
    tmp_path: Path, wait: Callable[[str, int], str]
) -> None:
    """It announces nothing, and its routers know: they hear nothing of it any more."""
    hung = tmp_path / "birdc"
    hung.write_text("#!/bin/sh\nexec sleep 100\n")
    hung.chmod(0o755)
    script = wait("host1", 1)
    script = script.replace("/usr/sbin/birdc", str(hung)).replace("/usr/lib/tandem/service", "echo")
    began = time.monotonic()
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30)
    assert time.monotonic() - began < 20
    assert done.returncode == (wait is withdrawal.wait_until_announced)
