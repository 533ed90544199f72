"""What has to hold of a report of drills that other tests shared the CPUs with.

The drills' own budgets are for a quiet machine; whether all came back as it must does not depend on
that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path

from drills.model import Report, from_json
from drills.tally import tally

PASSED_ON = ("switchover", "1 to 2 holders where it has to be exactly one")
# Handing it on, both nodes have it for a moment, which is longer where CPUs are short.
PASSING_MAX_S = 1.0


# IPv6: see docs/handover.md, what it cannot do.
ONE_WAITED = re.compile(r"[12] connect_timeout lost, and 0 are allowed")


def sound(
    directory: Path,
    names: list[tuple[str, str]],
    wide_s: Mapping[str, float],
    *,
    ipv6: Collection[str] = (),
) -> None:
    """The report in `directory` is of these (cluster, drill), each sound and below its `wide_s`.

    `ipv6` are clusters whose VIP is an IPv6 address.
    """
    report: Report = from_json((directory / "drills.json").read_bytes())
    assert [(found.cluster, found.name) for found in report.drills] == names
    for found in report.drills:
        shown = f"{found.cluster}: {found.name}: {found.reasons}"
        assert found.after is not None and found.after.passed, shown
        (repeat,) = [repeat for repeat in found.repeats if not repeat.void]
        both_s = [
            after.at_s - before.at_s
            for before, after in pairwise(repeat.holders)
            if found.name == PASSED_ON[0] and len(before.holders) > 1
        ]
        assert max(both_s, default=0) < PASSING_MAX_S, (shown, both_s)
        wrong = [text for text in repeat.problems if (found.name, text) != PASSED_ON]
        if found.cluster in ipv6 and found.name == PASSED_ON[0]:
            wrong = [text for text in wrong if not ONE_WAITED.fullmatch(text)]
        assert not wrong, (shown, wrong)
        assert (repeat.measured_s or 0) < wide_s[found.name], (shown, repeat.measured_s)
        assert tally(repeat.long_lived).cut == 0, shown
        if found.name == "rogue":
            assert repeat.moves == 0, shown
