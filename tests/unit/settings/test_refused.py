"""What pyinfra shows when deploy code refuses: what to mend, and no line of our code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.fakes import ROOT


def test_a_refusal_in_deploy_code_is_shown_without_the_line_that_raised_it(tmp_path: Path) -> None:
    (tmp_path / "machines.py").write_text('hosts = ["@fake/host1"]\n')
    (tmp_path / "refuses.py").write_text(
        "from settings import Refused\n\nraise Refused('Give the other drain an end first.')\n"
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("pyinfra"), "-y", "machines.py", "refuses.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "--> Refused: Give the other drain an end first.\n" in done.stderr
    assert "refuses.py line" not in done.stderr and "Traceback" not in done.stderr
