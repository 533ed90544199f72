"""Which of a router's routes is the first without a machine, and when it came."""

from __future__ import annotations

from datetime import datetime

from bench.machinery.withdrawals import changes

SAID = """\
[2026-11-30T07:24:19.029511] 192.0.2.0/24 dev eth0 proto kernel scope link
[2026-11-30T07:24:19.031942] 198.51.100.80 proto bird metric 32 \n\
\tnexthop via 172.16.12.61 dev eth0 weight 1 \n\
\tnexthop via 172.16.12.62 dev eth0 weight 1 \n\
[2026-11-30T07:24:19.235284] Deleted 198.51.100.80 proto bird metric 32 \n\
\tnexthop via 172.16.12.61 dev eth0 weight 1 \n\
[2026-11-30T07:24:19.237518] 198.51.100.80 via 172.16.12.62 dev eth0 proto bird metric 32 \n\
[2026-11-30T07:24:19.300000] 198.51.100.8 via 172.16.12.61 dev eth0 proto bird metric 32 \n\
"""


def test_each_new_route_is_read_whole_with_its_time() -> None:
    (first_s, both), (then_s, one) = changes(SAID, "198.51.100.80")
    assert "172.16.12.61 " in both and "172.16.12.62 " in both
    assert "172.16.12.61 " not in one and "172.16.12.62 " in one
    assert round(then_s - first_s, 6) == 0.205576
    assert first_s == datetime(2026, 11, 30, 7, 24, 19, 31942).timestamp()
