"""A machine's own address and interface go and come back, on a kernel's network of the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest

from drills.control import fault_signs, self_undo
from drills.control.faults import Fault
from drills.control.network import leaving
from settings import Node
from tests.unit.drills.network.own_kernel_network import OWN, VIP, node, shell

SHOW = "ip -o -4 address show dev eth0; ip route show default"
WAIT_S = 0.4
BACK = f"sleep {WAIT_S + 0.3}\n"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "AWAY_S", WAIT_S)
    monkeypatch.setattr(leaving, "DOWN_S", WAIT_S)


def injected(fault: Fault) -> str:
    # The machine's own undoing is left out: it would outlive the test.
    return fault_signs.around(fault.sign, self_undo.inject(fault.key, fault.do, ""))


@pytest.mark.parametrize("make", [leaving.own_address_lost, leaving.interface_down])
def test_what_goes_comes_back_by_itself_with_its_routes(
    make: Callable[[Node], Fault], tmp_path: Path
) -> None:
    fault = make(node())
    script = f"{injected(fault)}\n{SHOW}\n{BACK}echo then\n{SHOW}\n{leaving.whole(node())}"
    done = shell(script, tmp_path)
    gone, _, back = done.stdout.partition("then\n")
    (sight,) = fault_signs.sights("host1", gone)
    assert sight.bit, (done.stdout, done.stderr)
    assert "default via" not in gone
    assert f"{OWN}/16 brd 172.16.255.255" in back and "default via 172.16.0.1" in back
    assert done.returncode == 0, done.stdout
    assert (fault.lasts_s, fault.rescue_s > fault.lasts_s) == (WAIT_S, True)


def test_nothing_that_went_is_no_evidence(tmp_path: Path) -> None:
    for make in (leaving.own_address_lost, leaving.interface_down):
        sign = make(node()).sign
        assert sign is not None
        said = shell(fault_signs.around(sign, "true"), tmp_path).stdout
        (sight,) = fault_signs.sights("host1", said)
        assert not sight.bit, said


def test_an_address_that_comes_back_behind_the_vip_is_seen_and_mended(tmp_path: Path) -> None:
    """The VIP was added meanwhile, with the network's prefix: it is first, and takes it along."""
    fault = leaving.own_address_lost(node())
    vip = f"ip address add {VIP}/16 dev eth0\n"
    broken = f"{injected(fault)}\n{vip}{BACK}{SHOW}\n{leaving.whole(node())}"
    done = shell(broken, tmp_path)
    assert "secondary" in done.stdout
    assert done.returncode
    assert "only behind another one" in done.stdout
    mended = f"{injected(fault)}\n{vip}{BACK}sh -c '{quote(fault.undo)[1:-1]}'; {SHOW}\n"
    done = shell(mended + leaving.whole(node()), tmp_path)
    assert f"inet {OWN}/16" in done.stdout and "secondary" not in done.stdout
    assert "had to be mended" in done.stdout
    assert (tmp_path / "services").read_text().count("service") >= 1


def test_a_machine_that_has_come_back_is_not_mended(tmp_path: Path) -> None:
    fault = leaving.own_address_lost(node())
    undo = f"({fault.undo})\n"
    done = shell(f"{undo}{injected(fault)}\n{BACK}{undo}{leaving.whole(node())}", tmp_path)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "services").exists()


def test_an_address_of_the_vip_as_source_is_seen(tmp_path: Path) -> None:
    source = f"ip address add {VIP}/32 dev eth0; ip route replace default via 172.16.0.1 src {VIP}"
    done = shell(f"{source}\n{leaving.whole(node())}", tmp_path)
    assert (done.returncode, done.stdout) == (1, "its own connections come from the VIP\n")


def test_an_address_that_is_back_at_once_was_gone(tmp_path: Path) -> None:
    fault = leaving.own_address_back(node())
    done = shell(f"{injected(fault)}\n{SHOW}\n{leaving.whole(node())}", tmp_path)
    (sight,) = fault_signs.sights("host1", done.stdout)
    assert (sight.bit, sight.text) == (True, f"{OWN}/16 was gone, and is there again")
    assert "default via 172.16.0.1" in done.stdout
    assert done.returncode == 0
    assert fault.sign is not None
    (kept,) = fault_signs.sights(
        "host1", shell(fault_signs.around(fault.sign, "true"), tmp_path).stdout
    )
    assert not kept.bit


def test_what_makes_an_address_late_is_put_there_and_taken_away(tmp_path: Path) -> None:
    fault = leaving.late_at_boot(node())
    assert fault.lasting
    quiet = "systemctl() { :; }; sync() { :; }\n"
    done = shell(quiet + fault.do, tmp_path)
    assert done.returncode == 0, done.stderr
    unit = (tmp_path / "units" / "tandem-drill-late.service").read_text()
    assert "Before=keepalived.service\n" in unit
    link = tmp_path / "units" / "keepalived.service.wants" / "tandem-drill-late.service"
    assert link.resolve() == (tmp_path / "units" / "tandem-drill-late.service")
    take, give = ((tmp_path / f"kept.late.{name}").read_text() for name in ("take", "give"))
    said = tmp_path / "drill.late"
    early = "pgrep() { echo 7; }; sleep() { :; }\n"
    script = f"({take})\n{SHOW}\necho then\n{early}{give}\n{SHOW}"
    before, _, after = shell(script, tmp_path).stdout.partition("then\n")
    assert OWN not in before and f"{OWN}/16" in after and "default via" in after
    assert said.read_text() == f"keepalived (7) has run for 10 s without {OWN}\n"
    for _ in range(2):
        assert shell(quiet + fault.undo, tmp_path).returncode == 0
        assert not list(tmp_path.glob("kept*")) and not list((tmp_path / "units").iterdir())
