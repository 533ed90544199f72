"""What a deploy of a routed cluster asks of machines: BIRD instead of keepalived, turn by turn."""

from __future__ import annotations

from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

import settings
from tasks import bird
from tasks.change import removal
from tests.support import fakes
from tests.unit.settings.network.test_routed_settings import BGP
from tests.unit.tasks.test_deploy import machines

pytestmark = pytest.mark.usefixtures("no_download")

ROUTED: dict[str, Any] = BGP | {
    "routers": [{"address": "172.16.0.1", "asn": 64512}],
}


def deployed(distribution: str = "debian12", **answers: Any) -> dict[str, list[str]]:
    given = {"answers": answers} if answers else {}
    return fakes.run("deploy.py", machines(distribution, distribution, settings=ROUTED, **given))


def test_bird_is_brought_and_put_into_service_and_keepalived_is_not() -> None:
    for commands in deployed().values():
        placed = fakes.placing(commands)
        assert "bird2" in placed and " keepalived psmisc" not in placed
        assert "/usr/sbin/bird -p -c" in placed and "--config-test" not in placed
        assert "/etc/systemd/system/bird.service.d/tandem.conf" in placed
        applied = [each for each in commands if "/usr/lib/tandem/apply-bird start" in each]
        assert len(applied) == 1
        assert "apply-keepalived" not in placed


def test_no_password_is_shown_or_left_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "canary-of-bgp")
    routers = [{"address": "172.16.0.1", "asn": 64512, "password_env": "WORD"}]
    hosts = machines("debian12", "debian12", settings=ROUTED | {"routers": routers})
    for commands in fakes.run("deploy.py", hosts).values():
        assert "canary-of-bgp" not in "\n".join(commands)
        (staged,) = [each for each in commands if "/var/lib/tandem/bird/.bird.conf" in each]
        assert "chmod 640" in staged and "install -m 600" in staged


def test_the_vrrp_profile_has_nothing_of_it() -> None:
    for commands in fakes.run("deploy.py", machines("debian12", "debian12")).values():
        placed = fakes.placing(commands)
        assert "bird2" not in placed and "apply-bird" not in placed and "birdc" not in placed


# --- turns ---------------------------------------------------------------------------------------

# A BIRD whose unit has changed.
RESTARTS = (
    "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n"
    "Running=/usr/sbin/bird\nInstalled=/usr/sbin/bird\nUnit=different\nConfiguration=same"
)
SERVES = "announces vip_serves4\nsession router_1"


def pair(first: str, second: str, **more: str) -> Any:
    """Two machines that have served, with what each announces, and `more` answers of both."""
    hosts = {}
    for number, announced in ((1, first), (2, second)):
        address = f"172.16.12.6{number}"
        answers = {
            "/etc/os-release": fakes.survey(address=address, serves=True),
            "show bird": RESTARTS,
            "show protocols": announced,
            **more,
        }
        hosts[f"@fake/host{number}"] = {
            "ssh_hostname": address,
            "page": "p",
            "fake_responses": answers,
        }
    return fakes.inventory(hosts, ROUTED)


def steps(commands: list[str]) -> list[str]:
    """What a turn does about the VIP, in order."""
    kinds = {
        ">/run/tandem/drain": "drain",
        "still announced": "wait",
        "apply-bird restart": "restart",
        "not announced": "back",
    }
    found = [
        name for each in commands for part, name in kinds.items() if part in each.replace("'", "")
    ]
    return list(dict.fromkeys(found))


def test_a_machine_withdraws_before_its_bird_is_restarted() -> None:
    for commands in fakes.run("deploy.py", pair(SERVES, SERVES)).values():
        assert steps(commands) == ["drain", "wait", "restart", "back"]


@pytest.mark.parametrize(
    "other", ["", "announces vip_yields4\nsession router_1", "announces vip_serves4"]
)
def test_the_last_one_that_serves_is_not_interrupted(other: str) -> None:
    hosts = pair(SERVES, other)
    with pytest.raises(PyinfraError):
        fakes.run("deploy.py", hosts)
    commands = hosts.get_host("@fake/host1").connector.executed_commands
    assert "restart" not in steps(commands) and "drain" not in steps(commands)


def test_but_where_a_person_says_so() -> None:
    hosts = pair(SERVES, "")
    hosts.override_data["interrupt"] = 1
    assert steps(fakes.run("deploy.py", hosts)["@fake/host1"]) == ["restart", "back"]


def test_who_announces_nothing_has_nothing_to_withdraw() -> None:
    for commands in fakes.run("deploy.py", pair("", "")).values():
        assert steps(commands) == ["restart", "back"]


def test_a_drain_of_a_deploy_that_was_cut_off_ends_and_the_vip_is_waited_for() -> None:
    hosts = pair(SERVES, SERVES, **{"echo away": "drained"})
    for commands in fakes.run("deploy.py", hosts).values():
        # Before anybody's turn, and once more after its own.
        assert steps(commands) == ["back", "drain", "wait", "restart"]
        for back in [each for each in commands if "not announced" in each]:
            assert back.index("[ -e /etc/keepalived/down ]") < back.index("while")


def test_teardown_stops_bird_and_takes_its_files() -> None:
    hosts = pair(SERVES, SERVES)
    node = settings.of(hosts.get_host("@fake/host1"))[0]
    paths = [path for each in removal.footprints(node) for path in each.all_files]
    for path in (*bird.files(), "/usr/lib/tandem/apply-bird", "/etc/tmpfiles.d/tandem-bird.conf"):
        assert path in paths
