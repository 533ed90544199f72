"""What becomes of connections and stray segments when the address moves, between bare kernels."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.wires import VIP, VIP6, Wires, inside

pytestmark = pytest.mark.lab


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Wires]:
    with Wires(2, tmp_path) as wires:
        yield wires


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Wires]:
    with Wires(3, tmp_path) as wires:
        yield wires


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_connection_goes_on_over_moves_there_and_back(pair: Wires, address: str) -> None:
    old = pair.connect(address)
    assert old.ask() == "node1"
    pair.move(1, 2)
    assert old.ask() == "node1"
    new = pair.connect(address)
    assert new.ask() == "node2"
    pair.move(2, 1)
    assert (old.ask(), new.ask()) == ("node1", "node2")
    assert pair.connect(address).ask() == "node1"
