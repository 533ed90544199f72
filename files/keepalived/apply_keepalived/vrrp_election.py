"""What keepalived says of its VIPs, and whether that is true."""

from common.commands import run
from common.keepalived_state import BACKUP, FAULT, MASTER, instances, signal_number

_ANSWER_S = 1.0


def observed():
    """[(instance's name, state, since)] in the order of the VIPs; empty where it does not answer.

    since: by keepalived's own clock, which no step of the machine's moves.
    """
    found = [each["data"] for each in instances(signal_number(), _ANSWER_S)]
    return [(data["iname"], data["state"], data["last_transition"]) for data in found]


def has_begun_anew(now, before):
    """Whether it has read its configuration since `before` was observed: then everything begins
    anew. Until then what it says is the old one's word. Pure."""
    moments = {name: since for name, _, since in before}
    return bool(now) and all(moments.get(name) != since for name, _, since in now)


def is_well(now, took_part, vips, addresses):
    """Whether the kernel has each address exactly when keepalived says so, and it has not left the
    election where it took part before. Pure.

    now: as `observed` tells it; addresses: those that interfaces have.
    """
    states = [state for _, state, _ in now]
    if len(states) < len(vips) or (took_part and FAULT in states[: len(vips)]):
        return False
    return all(
        state in (BACKUP, MASTER, FAULT) and (vip in addresses) == (state == MASTER)
        for vip, state in zip(vips, states)
    )


def takes_part(now):
    """Whether it is in the election for any VIP. Pure."""
    return any(state in (BACKUP, MASTER) for _, state, _ in now)


def addresses():
    """Those that interfaces have, without their prefix lengths. (`lo` has what was handed over.)"""
    lines = map(str.split, run("ip", "-o", "address", "show").output.splitlines())
    return {words[3].partition("/")[0] for words in lines if len(words) > 3 and words[1] != "lo"}


def trouble(now):
    """What is seen of its not working, as the end of a sentence; "" where that says nothing."""
    if not now:
        return ", and does not answer"
    return ", and has left the election (fault)" if FAULT in [each[1] for each in now] else ""
