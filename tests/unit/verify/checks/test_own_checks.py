"""KA-23: a person's own checks are what keepalived has, and pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.snapshots import BOTH, DEFAULT, HEALTHY, Spoiled, bad

CHECK = {"name": "app", "command": ["/usr/local/bin/check", "a=1"], "weight": 2, "timeout_s": 3}
SCRIPT = "/usr/local/bin/check a=1"
BLOCK = f'vrrp_script own_app {{\n    script "{SCRIPT}"\n    weight -4\n}}\n\nvrrp_instance'
DOWN = "/usr/bin/test ! -e /etc/keepalived/down -a ! -e /run/tandem/drain"


def with_check(run: str = "0 5", sample: dict[str, Any] = DEFAULT, **check: Any) -> Spoiled:
    """A pair with a check; how it went on host1."""
    spoiled = Spoiled(sample)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["checks"] = [CHECK | check]
    for host in BOTH:
        spoiled.replace(host, "keepalived_conf", "vrrp_instance", BLOCK)
        spoiled.replace(
            host,
            "keepalived_conf",
            "        chk_schedown\n",
            "        chk_schedown\n        own_app\n",
        )
        ran = run if host == "host1" else "0 5"
        lines = spoiled.says(host, "keepalived_checks").splitlines()
        lines[-1:] = [f"{ran} {SCRIPT}", f"{len(lines)} scripts"]
        spoiled.answer(host, "keepalived_checks", "\n".join(lines))
    return spoiled


def told(spoiled: Spoiled) -> str:
    found = [each for each in spoiled.judge().bad if each.id == "KA-23"]
    return "; ".join(f"{each.host} {each.answer.actual}" for each in found)


@pytest.mark.parametrize("sample", [DEFAULT, HEALTHY])
def test_one_that_passes_is_no_matter_for_any_check(sample: dict[str, Any]) -> None:
    assert not told(with_check(sample=sample))
    # (The priorities are others: these machines were recorded without a check.)
    assert bad(with_check(sample=sample).judge()) <= {"KA-05", "KA-18", "X-10"}


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("1 5", "exit 1"),
        ("127 5", "exit 127"),
        ("untrusted 0", "not there, or others can write it"),
        ("0 3500", "took 3500 ms"),
        ("124 4000", "exit 124"),
    ],
)
def test_one_that_does_not_pass_is_found_on_its_machine(run: str, said: str) -> None:
    assert told(with_check(run)) == f"host1 app: {said}: {SCRIPT}"


def test_one_that_may_take_longer_than_it_is_waited_for_is_none_to_judge() -> None:
    assert not told(with_check("124 4000", timeout_s=30))


def test_one_that_keepalived_does_not_have_is_found() -> None:
    spoiled = with_check()
    spoiled.replace("host2", "keepalived_conf", SCRIPT, "/usr/bin/true")
    assert told(spoiled) == f"host2 app: keepalived.conf does not have it: {SCRIPT}"


def test_one_that_decides_nothing_is_found() -> None:
    spoiled = with_check()
    spoiled.replace("host2", "keepalived_conf", "        own_app\n", "")
    assert told(spoiled) == f"host2 app: no part of every election: {SCRIPT}"


SAYS = "1732000010.0 host1 Keepalived_vrrp[812]: VRRP_Script(own_app) {}"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["failed (exited with status 1)"], "failed (exited with status 1)"),
        (["succeeded", "timed out"], "timed out"),
        (["failed (exited with status 1)", "succeeded"], ""),
        (["succeeded", "considered successful on reload"], ""),
        (["succeeded", "considered unsuccessful on reload"], "considered unsuccessful on reload"),
    ],
)
def test_one_that_passes_here_and_fails_behind_keepalived_s_walls_is_found(
    lines: list[str], found: str
) -> None:
    """Also where a drill has been meanwhile."""
    for drill in (False, True):
        spoiled = with_check()
        said = [SAYS.format(line) for line in lines]
        if drill:
            mark = "1732000010.0 host1 tandem_drill[9]: it "
            said = [said[0], f"{mark}begins", *said[1:], f"{mark}ends"]
        head = "journal 1732000000.0"
        spoiled.answer("host1", "keepalived_log", "\n".join([head, *said]))
        wanted = f"host1 app: keepalived says: {found}: {SCRIPT}" if found else ""
        assert told(spoiled) == wanted
