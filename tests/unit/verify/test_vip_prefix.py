"""NET-05: a VIP with another prefix than the machine's own address."""

from __future__ import annotations

import pytest

from tests.support.broken_upkeep import own_address
from tests.support.snapshots import Spoiled


@pytest.mark.parametrize("prefix", [16, 24])
def test_another_prefix_than_the_vips_fails(prefix: int) -> None:
    verdict = own_address("host2", prefixlen=prefix)(Spoiled()).judge(only="NET-05")
    failed = {(finding.host, finding.outcome.name) for finding in verdict.bad}
    assert failed == ({("host2", "FAIL")} if prefix == 24 else set())
    told = [finding.answer.actual for finding in verdict.bad]
    assert all("vip is 172.16.12.254/16: eth0 has 172.16.12.62/24: give" in each for each in told)
