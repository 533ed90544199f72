"""Metrics of a node in a routed cluster: what BIRD says, in a form that Prometheus reads."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import fakes, programs

program = programs.load("metrics")
VIPS = ["198.51.100.80", "2001:db8::80"]
# As BIRD 2.0.12 has them, shortened.
PROTOCOLS = """\
BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
device1    Device     ---        up     23:43:54.286
bfd1       BFD        ---        up     23:43:54.286
vip_serves4 Static     master4    up     23:43:54.333
vip_yields4 Static     master4    down   23:43:54.286
vip_serves6 Static     master6    down   23:43:54.333
vip_yields6 Static     master6    up     23:43:54.286
router_1   BGP        ---        up     23:43:55.081  Established
  BGP state:          Established
    Neighbor address: 172.16.12.1
    Neighbor AS:      64512
router_2   BGP        ---        start  23:45:32.604  Connect       Received: Hold timer expired
  BGP state:          Connect
    Neighbor address: fd61:1::1%eth0
    Neighbor AS:      64512
"""
BFD = """\
bfd1:
IP address                Interface  State      Since         Interval  Timeout
172.16.12.1               eth0       Up         00:03:39.923    0.050    0.150
fd61:1::1                 eth0       Down       00:03:39.444    1.000    0.000
"""
ANSWERS = {"show protocols all": PROTOCOLS, "show bfd sessions": BFD}


def page(routed: dict[str, Any]) -> list[str]:
    seen: dict[str, Any] = {"services": {"nginx": True, "bird": True}, "addresses": set(VIPS)}
    seen |= {"drains": {}, "watch": {"failed": 0}, "overload": {}, "instances": []}
    return str(program.page("host1", "web", VIPS, seen | {"routed": routed})).splitlines()


@contextmanager
def bird(path: Path) -> Iterator[None]:
    """A control socket that answers as BIRD does: a code before each line, a mark on the last."""

    def answer(connection: socket.socket) -> None:
        with connection, connection.makefile("rw") as lines:
            lines.write("0001 BIRD 2.0.12 ready.\n")
            lines.flush()
            for command in lines:
                said = ANSWERS[command.strip()].splitlines()
                lines.write("".join(f"1002-{line}\n" for line in said) + "0000 \n")
                lines.flush()

    def serve(listener: socket.socket) -> None:
        try:
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            return

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for way, count in (("rx", 12), ("tx", 34)):
        (tmp_path / f"{way}_packets").write_text(f"{count}\n")
    monkeypatch.setattr(program, "MESH", str(tmp_path))
    with bird(tmp_path / "bird.ctl"):
        found: dict[str, Any] = program.observe_routed(str(tmp_path / "bird.ctl"))
    return found


def test_it_says_what_bird_announces_and_to_whom(observed: dict[str, Any]) -> None:
    lines = page(observed)
    for line in (
        "tandem_bird_up 1",
        'tandem_service_active{service="bird"} 1',
        'tandem_vip_announced{vip="198.51.100.80",as="serves"} 1',
        'tandem_vip_announced{vip="198.51.100.80",as="yields"} 0',
        'tandem_vip_announced{vip="2001:db8::80",as="serves"} 0',
        # BIRD would say so, and has no session of IPv6.
        'tandem_vip_announced{vip="2001:db8::80",as="yields"} 0',
        'tandem_router_session_up{router="172.16.12.1"} 1',
        'tandem_router_session_up{router="fd61:1::1"} 0',
        'tandem_router_bfd_up{router="172.16.12.1"} 1',
        'tandem_router_bfd_up{router="fd61:1::1"} 0',
        'tandem_mesh_packets_total{direction="received"} 12',
        'tandem_mesh_packets_total{direction="sent"} 34',
    ):
        assert line in lines, line


def test_what_no_router_hears_is_not_announced(observed: dict[str, Any]) -> None:
    """So that somebody is woken where no session is left, whatever BIRD would say."""
    (session6,) = (name for name, its in observed["neighbours"].items() if ":" in its)
    (session4,) = observed["neighbours"].keys() - {session6}
    observed["protocols"] |= {session6: "Established", session4: "start"}
    lines = page(observed)
    assert 'tandem_vip_announced{vip="2001:db8::80",as="yields"} 1' in lines
    assert 'tandem_vip_announced{vip="198.51.100.80",as="serves"} 0' in lines


def test_nobody_holds_an_address_that_all_have(observed: dict[str, Any]) -> None:
    text = "\n".join(page(observed))
    assert "tandem_vip_held" not in text and "tandem_keepalived" not in text


def test_a_bird_that_says_nothing_is_down_and_announces_nothing(tmp_path: Path) -> None:
    lines = page(program.observe_routed(str(tmp_path / "nobody")))
    assert "tandem_bird_up 0" in lines
    assert not any(re.match(r"tandem_vip_announced.* 1$", line) for line in lines)
    assert not any(line.startswith("tandem_router_session_up") for line in lines)


def test_each_metric_is_explained_and_alerts_ask_for_no_others(observed: dict[str, Any]) -> None:
    names = {line.split("{")[0].split(" ")[0] for line in page(observed) if line[0] != "#"}
    told = (fakes.ROOT / "docs" / "metrics.md").read_text()
    assert all(f"`{name}" in told for name in names)
    alerts = (fakes.ROOT / "docs" / "prometheus-alerts.yml").read_text()
    asked = set(re.findall(r"tandem_(?:bird|vip_announced|router|mesh)\w*", alerts))
    assert asked and asked <= names
