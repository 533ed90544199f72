"""What a machine is asked about streams: do their ports answer, here, there, and on each VIP?

And whose its sockets of UDP are, which HTTP/3 has as well.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from settings import Cluster, Node
from verify.observe.bundle import Bundle
from verify.observe.probe import ShellProbe, told

# A machine on the same network that has not accepted by then does not serve.
CONNECT_TIMEOUT_S = 0.7
_PLACE = "verify/observe/listeners"
_ASKER = Path(__file__).parents[1] / "listeners" / "port_asker.py"
_ASK = """\
python=$(command -v python3 || command -v /usr/libexec/platform-python) || exit 127
"$python" - {arguments} <<'ASKER'
{program}
ASKER"""


def bundles(node: Node, cluster: Cluster) -> list[Bundle]:
    """One bundle, or none where nothing is passed on, and HTTP/3 is not spoken."""
    probes = list(_probes(node, cluster))
    return [Bundle(*probes)] if probes else []


def target(address: object, port: int) -> str:
    """How one is written, in the question and in the answer."""
    return f"[{address}]:{port}"


def _probes(node: Node, cluster: Cluster) -> Iterator[ShellProbe]:
    """Its own ports and each VIP's; the other machines'; whose sockets of UDP there are."""
    own = ["127.0.0.1", *(vrrp.vip.ip for vrrp in cluster.vips)]
    yield from _ask("stream_ports", node, node, own)
    for peer in cluster.peers(node):
        yield from _ask(f"stream_ports:{peer.name}", node, peer, [peer.address])
    if node.speaks_http3 or any(not stream.is_tcp for stream in node.streams):
        yield told("udp_sockets", 'found=$(ss -Hlunp) && echo "${found:-none}"', "ss -Hlunp")


def _ask(name: str, node: Node, whose: Node, addresses: Sequence[object]) -> Iterator[ShellProbe]:
    """What `node` asks of `whose` ports of TCP, if there are any."""
    wanted = [target(to, each.listen) for to in addresses for each in whose.streams if each.is_tcp]
    if wanted:
        arguments = shlex.join([f"{CONNECT_TIMEOUT_S}", *wanted])
        asks = _ASK.format(arguments=arguments, program=_ASKER.read_text())
        shown = f"ssh {node.address} python3 - {arguments} <{_PLACE}/{_ASKER.name}"
        yield told(name, asks, shown, may_hang=True)
