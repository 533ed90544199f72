"""docs/drills.md says of each drill of the network what the verifier names meanwhile."""

from __future__ import annotations

import re

from drills.scenarios.network_drills import NETWORK, OVERLOAD
from tests.support.drilling.named_meanwhile import NAMED
from tests.support.fakes import ROOT


def test_the_document_says_what_was_measured_and_of_every_drill() -> None:
    text = (ROOT / "docs" / "drills.md").read_text()
    part = text.partition("## What the verifier names meanwhile")[2].partition("\n## ")[0]
    found: dict[str, frozenset[str]] = {}
    for row in re.findall(r"^\| ([\w, -]+) \| ([^|]+) \|$", part, re.MULTILINE):
        for name in row[0].split(", "):
            found[name] = frozenset(re.findall(r"\b[A-Z]{1,4}-\d\d\b", row[1]))
    found.pop("drill")
    assert found == NAMED
    # The pair that is asked has one network.
    every = (drill for drill in (*NETWORK, *OVERLOAD) if "apart" not in drill.all_needs)
    assert set(NAMED) == {drill.name for drill in every}
