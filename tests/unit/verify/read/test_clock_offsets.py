"""What ntpdate and chronyd print: what is a measurement of a clock, and what is none."""

from __future__ import annotations

import pytest

from verify.read import system_output

NTPSEC = "2026-11-22 13:52:48.367282 (+0000) -0.000768 +/- 0.000872 172.16.0.1 s8 no-leap"
# The first of its servers is dead, the second does not know the time itself.
CLASSIC = """\
server 10.0.0.9, stratum 0, offset 0.000000, delay 0.00000
server 10.0.0.8, stratum 16, offset 0.000000, delay 0.02581
server 10.0.0.2, stratum 2, offset 0.310000, delay 0.09000
server 10.0.0.1, stratum 2, offset 0.250000, delay 0.02000
22 Nov 13:52:48 ntpdate[1234]: adjust time server 10.0.0.1 offset 0.250000 sec
"""
CHRONY = """\
2026-11-22T13:52:44Z chronyd version 4.3 starting (+CMDMON +NTP +REFCLOCK +RTC +PRIVDROP -DEBUG)
2026-11-22T13:52:44Z Disabled control of system clock
2026-11-22T13:52:48Z System clock wrong by -1.500000 seconds (ignored)
2026-11-22T13:52:48Z chronyd exiting
"""


@pytest.mark.parametrize(
    ("text", "ahead_s", "error_s"),
    [
        (NTPSEC, 0.000768, 0.000872),
        (NTPSEC.replace("172.16.0.1", "time.example.org 172.16.0.1"), 0.000768, 0.000872),
        (CLASSIC, -0.25, 0.01),
        (CLASSIC.replace("adjust", "step"), -0.25, 0.01),
        (CHRONY, 1.5, 0.01),
    ],
)
def test_clock_offsets_of_three_programs_have_one_sign(
    text: str, ahead_s: float, error_s: float
) -> None:
    offset = system_output.offset(text)
    assert (offset.offset_s, offset.error_s) == (ahead_s, error_s)


@pytest.mark.parametrize(
    "text",
    [
        "ntpdig: no eligible servers",
        NTPSEC.replace("s8 no-leap", "s16 unsync"),
        NTPSEC.replace("s8 no-leap", "s8 unsync"),
        "server 10.0.0.1, stratum 0, offset 0.000000, delay 0.00000\n"
        "22 Nov 13:52:48 ntpdate[1234]: no server suitable for synchronization found",
        # Cut off before it says whom it has chosen.
        CLASSIC.rpartition("22 Nov")[0],
        # Whom it would have chosen has not answered.
        CLASSIC.replace("server 10.0.0.1 offset", "server 10.0.0.9 offset"),
        CLASSIC.replace("server 10.0.0.1 offset", "server 10.0.0.8 offset"),
        CHRONY.replace("System clock wrong by -1.500000 seconds (ignored)", "No suitable source"),
    ],
)
def test_a_time_server_that_is_silent_or_lost_is_no_measurement(text: str) -> None:
    with pytest.raises(ValueError):
        system_output.offset(text)
