"""An SSH transport without Nagle's delay, for pyinfra's own `transport_factory`."""

from __future__ import annotations

import socket
from typing import Any

from paramiko import Transport


def no_delay_transport(sock: socket.socket, **kwargs: Any) -> Transport:
    """A paramiko transport over `sock` that sends small packets at once.

    A function and not a class, because inventory data has to be printable as JSON
    (`pyinfra inventory.py debug-inventory`). `sock` may be a ProxyJump channel, which has no
    such option and needs none.
    """
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(sock, **kwargs)
