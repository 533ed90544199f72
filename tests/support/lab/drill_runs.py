"""What has to hold of a report of drills that other tests shared the CPUs with.

The drills' own budgets are for a quiet machine; whether all came back as it must does not depend on
that.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from drills.analysis.long_lived_counts import count_long_lived
from drills.results import Report, from_json

# What a drill says that had not the CPUs to measure; more than one of a report is no accident.
TOO_BUSY, UNMEASURED = "the prober itself was late", 2
PASSED_ON = ("switchover", "1 to 2 holders where it has to be exactly one")
# Handing it on, both nodes have it for a moment, which is longer where CPUs are short.
PASSING_MAX_S = 1.0


def sound(
    directory: Path,
    names: list[tuple[str, str]],
    wide_s: Mapping[str, float],
) -> None:
    """The report in `directory` is of these (cluster, drill), each sound and below its `wide_s`."""
    report: Report = from_json((directory / "drills.json").read_bytes())
    assert [(found.cluster, found.name) for found in report.drills] == names
    unmeasured = [found.name for found in report.drills if not found.counted]
    assert len(unmeasured) < UNMEASURED, unmeasured
    for found in report.drills:
        shown = f"{found.cluster}: {found.name}: {found.reasons}"
        assert found.after is not None and found.after.passed, shown
        if not found.counted:
            assert all(TOO_BUSY in repeat.void for repeat in found.repeats), shown
            continue
        (repeat,) = found.counted
        both_s = [
            after.at_s - before.at_s
            for before, after in pairwise(repeat.holders)
            if found.name == PASSED_ON[0] and len(before.holders) > 1
        ]
        assert max(both_s, default=0) < PASSING_MAX_S, (shown, both_s)
        wrong = [text for text in repeat.problems if (found.name, text) != PASSED_ON]
        assert not wrong, (shown, wrong)
        assert (repeat.measured_s or 0) < wide_s[found.name], (shown, repeat.measured_s)
        assert count_long_lived(repeat.long_lived).cut == 0, shown
        if found.name == "rogue":
            assert repeat.moves == 0, shown
