"""Machines of a routed cluster have their turns one after the other, drained where something of one
is restarted; what another profile or another VIP has left is given up before."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings import Refused
from settings.run_options import RunOptions
from tasks.change import turns
from tasks.change.routed.former_spread import FormerSpreadFact
from tasks.machine.survey import parse_survey
from tests.support import fakes
from tests.unit.tasks.routed.test_routed_drains import ROUTED

pytestmark = pytest.mark.usefixtures("no_download")

SERVES = ["announces vip_serves4", "session router_1"]
NO_SESSION = SERVES[:1]
LAST_RESORT = ["announces vip_yields4", "session router_1"]
NOTHING = ["session router_1"]
RESTART = {"apply-nginx look ": ["Action=restart", "Reason=its unit has changed"]}
RELOAD = {"apply-nginx look ": ["Action=reload", "Reason=its configuration has changed"]}
NOT_DUE = {"apply-nginx look ": ["Action=none", "Reason="]}
# BIRD's state as a deploy that changes nothing finds it.
SAME_BIRD = {
    "running-state compare bird": [
        *("LoadState=loaded", "ActiveState=active", "UnitFileState=enabled", "Unit=same"),
        *("Running=/usr/sbin/bird", "Installed=/usr/sbin/bird", "Configuration=same"),
    ]
}
OTHER_BIRD = {
    "running-state compare bird": [
        *("LoadState=loaded", "ActiveState=active", "UnitFileState=enabled", "Unit=same"),
        *("Running=/usr/sbin/bird", "Installed=/usr/sbin/bird", "Staged=different"),
    ]
}
DRAINS, ENDS = ">/run/tandem/drain", "rm -f /run/tandem/drain"
FORMER = "blackhole;.*/announced"


def deployed(
    *announced: list[str], answers: dict[str, Any], data: dict[str, Any] | None = None
) -> dict[str, list[str]]:
    """What a deploy asks of machines that announce this; `answers`: what else they say."""
    hosts: dict[str, dict[str, Any]] = {}
    for number, said in enumerate(announced, start=1):
        address = f"172.16.12.6{number}"
        usual: dict[str, Any] = {
            "/etc/os-release": fakes.survey(address=address, serves=True),
            FORMER: ["announced 198.51.100.80"],
            "echo turned": [*said, "seen"],
            "birdc -s": said,
        }
        hosts[f"@fake/host{number}"] = {
            "ssh_hostname": address,
            "page": f"page {number}",
            "priority": 110 - number,
            "fake_responses": usual | answers,
        }
    return fakes.run("deploy.py", fakes.inventory(hosts, ROUTED if data is None else data))


def drained(asked: dict[str, list[str]]) -> list[str]:
    return [name for name, commands in asked.items() if any(DRAINS in each for each in commands)]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (RESTART | SAME_BIRD, ["@fake/host1", "@fake/host2"]),
        (NOT_DUE | OTHER_BIRD, ["@fake/host1", "@fake/host2"]),
        (RELOAD | SAME_BIRD, []),
        (NOT_DUE | SAME_BIRD, []),
    ],
)
def test_a_machine_is_drained_where_something_of_it_is_restarted(
    answers: dict[str, Any], expected: list[str]
) -> None:
    asked = deployed(SERVES, SERVES, answers=answers)
    assert drained(asked) == expected
    for commands in asked.values():
        if expected:
            begun = next(n for n, each in enumerate(commands) if DRAINS in each)
            applied = [n for n, each in enumerate(commands) if each.endswith(("apply", "reload"))]
            waits = next(n for n, each in enumerate(commands) if "announces vip_serves'" in each)
            assert begun < waits < min(n for n in applied if n > begun)


def test_who_announces_nothing_is_not_drained_and_needs_nobody() -> None:
    """A person has drained it; or no router hears it, which this deploy may mend."""
    for said in (NOTHING, NO_SESSION):
        asked = deployed(said, said, answers=RESTART | SAME_BIRD)
        assert drained(asked) == []


@pytest.mark.parametrize("other", [NOTHING, NO_SESSION, LAST_RESORT])
def test_where_no_other_one_serves_nothing_is_restarted(
    other: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.change.routed.routed_turns.RECOVERS_S", -1)
    # The second has its turn first.
    with pytest.raises(Refused, match="On @fake/host2 nginx has to be restarted, and no other"):
        deployed(other, SERVES, answers=RESTART | SAME_BIRD)
    options = RunOptions.model_validate({"interrupt": True})
    monkeypatch.setattr(settings, "options", lambda inventory: options)
    accepted = deployed(other, SERVES, answers=RESTART | SAME_BIRD)
    assert "@fake/host2" not in drained(accepted)


def test_a_drain_that_was_cut_off_ends_before_anybodys_turn() -> None:
    """Or whose turn is first would wait for that machine in vain."""
    asked = deployed(SERVES, SERVES, answers={"/drain && echo drained": ["drained"]} | RESTART)
    for commands in asked.values():
        ended = place(commands, ENDS)
        assert ended < place(commands, "apply-nginx apply")
        assert "announces vip_serves'" in commands[ended + 1]


def place(commands: list[str], words: str) -> int:
    return next(number for number, each in enumerate(commands) if words in each)


def test_an_address_that_is_no_more_is_withdrawn_before_it_leaves_lo() -> None:
    other = {FORMER: ["announced 198.51.100.79"]}
    asked = deployed(SERVES, SERVES, answers=other | NOT_DUE | SAME_BIRD)
    assert drained(asked) == ["@fake/host1", "@fake/host2"]
    for commands in asked.values():
        begun, left = place(commands, DRAINS), place(commands, "announces vip_serves'")
        assert begun < left < place(commands, "service start tandem-handover")
        assert not [each for each in commands if "disable --now" in each]


def test_what_another_profile_has_left_goes_before_anything_else() -> None:
    left = ["announced 198.51.100.80", "bgp /etc/bird/bird.conf", "bgp /var/lib/tandem/bird"]
    asked = deployed(SERVES, SERVES, answers={FORMER: left} | NOT_DUE, data={})
    assert drained(asked) == ["@fake/host1", "@fake/host2"]
    for commands in asked.values():
        begun = place(commands, DRAINS)
        stopped = place(commands, "service disable --now bird")
        removed = place(commands, "rm -rf -- /etc/bird/bird.conf /var/lib/tandem/bird && ")
        assert begun < stopped < removed < place(commands, "service start tandem-handover")
        assert ENDS in commands[stopped:removed], "keepalived is not drained"


def test_where_vrrp_was_spoken_nobody_speaks_it_any_more() -> None:
    left = ["vrrp /etc/keepalived/keepalived.conf", "vrrp /etc/keepalived/vrrp.nft"]
    asked = deployed(NOTHING, NOTHING, answers={FORMER: left} | NOT_DUE | SAME_BIRD)
    for commands in asked.values():
        removed = place(commands, "rm -rf -- /etc/keepalived/keepalived.conf")
        assert place(commands, "service disable --now keepalived") < removed
        assert removed < place(commands, '"$name" != tandem_vrrp'), "or it is loaded again"


def test_what_another_profile_has_left_is_told_apart() -> None:
    found = FormerSpreadFact().process(
        [
            "announced 198.51.100.80",
            "bgp /etc/bird/bird.conf",
            "vrrp /etc/keepalived/keepalived.conf",
            "something else",
        ]
    )
    assert found.announced == {"198.51.100.80"}
    assert (found.of_bgp, found.of_vrrp) == (
        ("/etc/bird/bird.conf",),
        ("/etc/keepalived/keepalived.conf",),
    )


def test_whom_others_do_not_know_yet_comes_last() -> None:
    """Before it announces anything all others have to know whom to ask."""
    hosts = {
        f"host{n}": {"ssh_hostname": f"172.16.12.6{n}", "page": f"page {n}"} for n in (1, 2, 3)
    }
    (cluster,) = settings.load(fakes.inventory(hosts, ROUTED))
    know = {"host1": ["172.16.12.62"], "host2": ["172.16.12.61"], "host3": []}
    machines = {
        name: parse_survey(fakes.survey(peers=peers, serves=name != "host3"))
        for name, peers in know.items()
    }
    order = [node.name for node in turns.order(cluster, machines)]
    assert order == ["host2", "host1", "host3"]
    assert [len(group) for group in turns.groups(cluster, machines)] == [1, 1, 1]
