"""What a crash consists of: the moments, the steps between them, and the frames that show them."""

from __future__ import annotations

import json

import pytest

from bench import crash
from bench.machinery import crash_moments
from bench.machinery.crash_moments import SEEN, STEPS, CrashSteps, steps_of

MOMENTS = {word: 100.0 + number / 1000 for number, (word, _) in enumerate(SEEN)}


def test_each_step_lasts_from_what_was_seen_before_it() -> None:
    found = steps_of(MOMENTS)
    assert found is not None
    assert found.steps_ms == (1.0,) * len(STEPS)
    assert found.whole_ms == pytest.approx(7.0)
    slow = steps_of(MOMENTS | {"answered": 100.05})
    assert slow is not None and slow.longest == "a client's connection is accepted"
    assert slow.whole_ms == pytest.approx(50.0)


def test_a_log_line_that_is_stamped_late_makes_no_step_negative_and_the_sum_no_other() -> None:
    late = steps_of(MOMENTS | {"fault": 100.0045})
    assert late is not None
    assert late.steps_ms == (1.0, 2.0, 0.0, 1.0, 1.0, 1.0, 1.0)
    after = steps_of(MOMENTS | {"master": 100.5})
    assert after is not None and after.whole_ms == pytest.approx(7.0)
    assert after.steps_ms == (1.0, 1.0, 1.0, 2.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("word", [word for word, _ in SEEN])
def test_a_crash_of_which_something_was_not_seen_is_none(word: str) -> None:
    rest = {key: at for key, at in MOMENTS.items() if key != word}
    assert steps_of(rest) is None
    assert crash_moments.missing(rest) == word


def test_the_slowest_tenth_is_told_beside_all() -> None:
    usual = [CrashSteps((1.0,) * 7)] * 19
    slow = CrashSteps((1.0, 24.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    lines = crash_moments.shares([*usual, slow])
    assert lines[1] == f"{STEPS[1]}: 68% of the slowest tenth, 26% of all"
    head, *steps = crash.rows([*usual, slow])
    assert head.note == f"the slowest 30.0 ms, most of it: {STEPS[1]}"
    assert head.met is True and [row.what for row in steps] == list(STEPS)
    assert steps[1].ours.high == 24.0


def test_keepalived_says_when_it_entered_a_state() -> None:
    def line(message: str, at: float, sent: float | None = None) -> str:
        entry = {"MESSAGE": message, "__REALTIME_TIMESTAMP": str(round(at * 1e6))}
        if sent is not None:
            entry["_SOURCE_REALTIME_TIMESTAMP"] = str(round(sent * 1e6))
        return json.dumps(entry)

    journal = "\n".join(
        (
            line("(VI_1) Entering FAULT STATE", 99.0),
            line("(VI_1) Entering FAULT STATE", 100.2, 100.1),
            line("(VI_1) Entering FAULT STATE", 101.0),
            line("(VI_1) Entering MASTER STATE", 100.4),
        )
    )
    assert crash_moments.logged(journal, 100.0) == {"fault": 100.1, "master": 100.4}


def test_a_goodbye_and_an_announcement_are_known_by_their_frames() -> None:
    ethernet = b"\xff" * 6 + b"\x02" * 6
    ip = bytes([0x45]) + bytes(8) + bytes([112]) + bytes(10)
    for priority, goodbye in ((0, True), (254, False)):
        advert = ethernet + b"\x08\x00" + ip + bytes([0x31, 61, priority, 1])
        assert crash_moments.is_goodbye(advert) is goodbye
    assert not crash_moments.is_goodbye(ethernet + b"\x08\x00" + ip[:9])
    tcp = ethernet + b"\x08\x00" + ip.replace(b"p", b"\x06") + bytes(4)
    assert not crash_moments.is_goodbye(tcp)
    for flags, accepted in ((0x12, True), (0x02, False), (0x10, False)):
        source = bytes([0x45]) + bytes(8) + b"\x06" + bytes(2) + bytes([10, 0, 0, 9]) + bytes(4)
        segment = ethernet + b"\x08\x00" + source + bytes(13) + bytes([flags]) + bytes(6)
        assert crash_moments.accepts(segment, "10.0.0.9") is accepted
        assert not crash_moments.accepts(segment, "10.0.0.8")
    assert not crash_moments.accepts(advert, "10.0.0.9")
    arp = ethernet + b"\x08\x06" + bytes(14) + bytes([10, 0, 0, 9]) + bytes(10)
    assert crash_moments.announces(arp, "10.0.0.9")
    assert not crash_moments.announces(arp, "10.0.0.8")
    assert not crash_moments.announces(advert, "10.0.0.9")
