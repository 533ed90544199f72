"""One run of the verifier on a pair, and whether it finds a fault and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, ROOT
from tests.support.lab.faults.verifier_faults import Fault


@dataclass
class Result:
    exit_code: int
    findings: list[dict[str, Any]]
    output: str

    def ids(self, *outcomes: str) -> set[str]:
        return {f["id"] for f in self.findings if f["outcome"] in outcomes}

    @property
    def causes(self) -> set[str]:
        """What is bad by itself, and not only unknown because of that."""
        outcomes = ("fail", "unknown")
        bad = self.ids(*outcomes)
        findings = (f for f in self.findings if f["because"] not in bad - {f["id"]})
        return {f["id"] for f in findings if f["outcome"] in outcomes}


def verify(lab: Lab, directory: Path, *data: str) -> Result:
    """One run of the verifier, with its report.json read."""
    (directory / "report.json").unlink(missing_ok=True)
    options = [word for item in (f"report={directory}", *data) for word in ("--data", item)]
    done = lab.run(
        [PYINFRA, "inventory.py", "verify.py", *options],
        cwd=ROOT,
        capture_output=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    assert "Traceback" not in done.stdout, done.stdout
    assert (directory / "report.json").exists(), done.stdout
    findings = json.loads((directory / "report.json").read_text())["findings"]
    return Result(done.returncode, findings, done.stdout)


def assert_found_and_nothing_else(
    pair: Lab, well_again: Callable[[], str], fault: Fault, directory: Path
) -> None:
    """Break one thing, verify, and see the pair well again, so that no fault leans on another."""
    try:
        with ExitStack() as stack:
            fault.inject(pair, stack)
            result = verify(pair, directory, *fault.data)
    finally:
        after = well_again()
    bad = result.causes
    assert result.exit_code == (1 if result.ids("fail") else 3), result.output
    assert fault.expected in bad, result.output
    assert bad <= {fault.expected} | fault.explained, result.output
    assert after == "well"
