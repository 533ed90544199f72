"""When this node's nginx counts as dead, and when the watch trusts it again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import programs

STEP_S = 0.2


program = programs.load("watch.nginx_trial")
OtherNodes = programs.load("watch.other_nodes").OtherNodes


class WatchedNode:
    """A trial and the clock that it lives by."""

    def __init__(self) -> None:
        self.trial = program.NginxTrial(misses=2, trial_s=3.0)
        self.now_s = 1000.0
        self.history: list[tuple[int, int]] = []

    def look(
        self,
        answers: bool,
        *,
        ended: bool = False,
        lacks: bool = False,
        others: bool = True,
        times: int = 1,
    ) -> tuple[int, int]:
        verdict = (1, 1)
        for _ in range(times):
            self.trial.observe(self.now_s, answers, ended, lacks)
            verdict = self.trial.judge(self.now_s, others or lacks)
            assert verdict != (1, 1)
            self.history.append(verdict)
            self.now_s += STEP_S
        return verdict

    def run(self, seconds: float, answers: bool = True, *, others: bool = True) -> tuple[int, int]:
        return self.look(answers, others=others, times=round(seconds / STEP_S))


ALIVE, FAULT, LAST_RESORT = (0, 0), (1, 0), (0, 1)


def healthy() -> WatchedNode:
    node = WatchedNode()
    assert node.run(5) == ALIVE
    node.history.clear()
    return node


def test_an_nginx_that_has_just_started_is_tried_before_it_is_trusted() -> None:
    node = WatchedNode()
    assert node.run(2.8) == FAULT
    assert node.run(0.6) == ALIVE


def test_one_missed_answer_is_forgiven_and_two_in_a_row_are_not() -> None:
    node = healthy()
    assert node.look(False) == ALIVE
    assert node.look(True) == ALIVE
    assert node.look(False) == ALIVE
    assert node.look(False) == FAULT


def test_an_end_that_its_unit_signalled_counts_at_once() -> None:
    node = healthy()
    assert node.look(False, ended=True) == FAULT


def test_an_end_counts_even_if_a_new_nginx_answers_already() -> None:
    node = healthy()
    assert node.look(True, ended=True) == FAULT
    assert node.run(2.8) == FAULT
    assert node.run(0.6) == ALIVE


def test_a_crash_loop_moves_the_address_once_and_not_every_second() -> None:
    node = healthy()
    for _ in range(60):  # it crashes every two seconds, for two minutes
        node.look(False, ended=True)
        node.run(1.8)
    assert set(node.history) == {FAULT}, "it is never trusted in between"


def test_each_further_failure_doubles_the_trial_up_to_a_minute() -> None:
    node = healthy()
    trials = []
    for _ in range(7):
        node.look(False, ended=True)
        began_s = node.now_s
        while node.look(True) != ALIVE:
            pass
        trials.append(round(node.now_s - began_s))
    assert trials[:4] == [3, 6, 12, 24]
    assert max(trials) <= 61


def test_a_node_that_lacks_something_else_is_back_soon_unless_that_flaps() -> None:
    node = healthy()
    trials = []
    for _ in range(5):
        assert node.look(True, lacks=True) == FAULT
        assert node.look(True, lacks=True, others=False) == FAULT, "it is nobody's last resort"
        began_s = node.now_s
        while node.look(True) != ALIVE:
            pass
        trials.append(round(node.now_s - began_s))
    assert trials == [3, 3, 3, 6, 12]
    # It is no failure of nginx's.
    node.look(False, ended=True)
    assert len(node.trial.failures) == 1


def test_with_every_nginx_dead_each_node_is_a_last_resort() -> None:
    node = healthy()
    assert node.look(False, ended=True, others=False) == LAST_RESORT


def test_with_every_nginx_dead_one_that_comes_back_is_trusted_at_once() -> None:
    node = healthy()
    node.look(False, ended=True, others=False)
    node.run(10, answers=False, others=False)
    assert node.look(True, others=False) == ALIVE


def test_a_last_resort_gives_way_to_a_node_that_serves() -> None:
    node = healthy()
    node.look(False, ended=True, others=False)
    assert node.look(False, others=True) == FAULT


class Pair:
    """Two nodes side by side, each seeing the other's nginx and the VIP as they would."""

    word = b"HTTP/1.1 200 OK"

    def __init__(self) -> None:
        self.nodes = [WatchedNode(), WatchedNode()]
        self.up = [True, True]
        self.others = [OtherNodes("vip", ["peer"], 80, 2, 0.25) for _ in self.nodes]
        for place, others in enumerate(self.others):
            others.begins = lambda address, place=place: self.begins(place, address)
        self.verdicts = [FAULT, FAULT]
        self.nowhere_s = 0.0

    def holder(self) -> int | None:
        """The node that keepalived would elect: trusted ones first, in the inventory's order."""
        for wanted in (ALIVE, LAST_RESORT):
            if wanted in self.verdicts:
                return self.verdicts.index(wanted)
        return None

    def begins(self, place: int, address: str) -> bytes | None:
        holder = self.holder() if address == "vip" else 1 - place
        return self.word if holder is not None and self.up[holder] else None

    def run(self, seconds: float, ended: tuple[int, ...] = ()) -> None:
        """A look a node in turn; `ended` are nodes whose nginx ends in the first one."""
        for step in range(round(seconds / STEP_S)):
            for place, node in enumerate(self.nodes):
                now_s = node.now_s + place * STEP_S / 2
                node.trial.observe(now_s, self.up[place], ended=step == 0 and place in ended)
                serve = node.trial.dead and self.others[place].serve(node.trial.on_trial)
                self.verdicts[place] = node.trial.judge(now_s, serve)
                node.now_s += STEP_S
            if self.holder() is None and any(self.up):
                self.nowhere_s += STEP_S


def healthy_pair() -> Pair:
    pair = Pair()
    pair.run(5)
    assert pair.verdicts == [ALIVE, ALIVE]
    pair.nowhere_s = 0.0
    return pair


def test_two_nodes_that_boot_together_do_not_wait_for_each_other() -> None:
    pair = Pair()
    pair.run(5)
    assert pair.nowhere_s <= 0.6


def test_two_nginx_that_die_together_and_come_back_together_are_not_both_kept_out() -> None:
    pair = healthy_pair()
    pair.up = [False, False]
    pair.run(1, ended=(0, 1))
    assert pair.holder() == 0, "a last resort"
    pair.up = [True, True]
    pair.run(5)
    assert pair.nowhere_s <= 0.6
    assert pair.verdicts == [ALIVE, ALIVE]


def test_a_standby_on_trial_does_not_keep_the_address_from_a_holder_that_was_restarted() -> None:
    pair = healthy_pair()
    pair.run(1, ended=(1,))  # restarted, and answering at once
    pair.run(5, ended=(0,))
    assert pair.nowhere_s <= 0.6


def test_one_nginx_that_fails_leaves_the_address_to_the_other_and_gets_it_back_once() -> None:
    pair = healthy_pair()
    pair.up = [False, True]
    pair.run(1, ended=(0,))
    assert pair.verdicts == [FAULT, ALIVE]
    pair.up = [True, True]
    pair.run(2.8)
    assert pair.verdicts == [FAULT, ALIVE]
    pair.run(1)
    assert pair.verdicts == [ALIVE, ALIVE]
    assert pair.nowhere_s == 0


def test_a_full_nginx_takes_over_from_one_that_has_died() -> None:
    pair = healthy_pair()
    pair.word = b""  # it accepts, and closes at once
    pair.up = [False, True]
    pair.run(5, ended=(0,))
    assert pair.verdicts == [FAULT, ALIVE]
    assert pair.nowhere_s == 0


def test_where_the_other_only_closes_and_nobody_has_the_address_this_node_is_a_last_resort() -> (
    None
):
    """It may crash at every request, and say so to its own keepalived."""
    others = OtherNodes("vip", ["peer"], 80, 2, 0.25)
    others.begins = {"peer": b"", "vip": None}.get
    assert [others.serve(on_trial=False) for _ in range(3)] == [True, False, False]
    others.begins = {"peer": b"", "vip": b""}.get
    assert others.serve(on_trial=False)


def test_workers_that_still_answer_for_a_moment_make_no_second_failure() -> None:
    node = healthy()
    node.look(False, ended=True, others=False)
    for _ in range(3):
        node.look(True, others=False)
        node.look(False, ended=True, others=False)
    assert len(node.trial.failures) <= 2


@pytest.mark.parametrize(
    ("verdict", "last_verdict", "found", "write"),
    [
        ((0, 0), (0, 0), ("0", "0"), False),
        ((0, 0), (0, 0), ("1", "0"), False),  # its unit says that nginx has ended: look again
        ((0, 1), (0, 1), ("1", "1"), True),  # the unit comes late: nginx is known to be dead
        ((0, 0), (0, 1), ("1", "1"), True),  # and so it does here: nginx is back
        ((0, 0), None, ("1", "0"), True),
        ((1, 0), (0, 0), ("0", "0"), True),
    ],
)
def test_what_the_unit_writes_late_does_not_put_the_last_resort_out(
    verdict: tuple[int, int], last_verdict: Any, found: tuple[str, str], write: bool
) -> None:
    assert program.must_write(verdict, last_verdict, found) is write
