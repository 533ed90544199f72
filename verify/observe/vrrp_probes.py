"""What a machine hears on the network: who advertises a VIP, and whose MAC answers for it."""

from __future__ import annotations

import shlex
from pathlib import Path

from settings import Cluster, Node
from verify.observe.bundle import PROBE_TIMEOUT_S, Bundle
from verify.observe.probe import of_vip, told

# Programs for the machines, which nothing here imports.
_PLACE = "verify/observe/listeners"
_LISTENERS = Path(__file__).with_name("listeners")
_PERL = _LISTENERS / "vrrp_listener.pl"
_PYTHON = _LISTENERS / "vrrp_listener.py"
_PYTHON6 = _LISTENERS / "vrrp_listener6.py"
# Red Hat's own tools always have a Python, Debian's always a Perl.
_LISTEN = """\
if command -v perl >/dev/null; then
perl - {arguments} <<'LISTENER'
{perl}
LISTENER
else
python=$(command -v python3 || command -v /usr/libexec/platform-python) || exit 127
"$python" - {arguments} <<'LISTENER'
{python}
LISTENER
fi"""
# IPv6 is listened to by a Python, which a deploy of such a VIP brings.
_LISTEN6 = """\
python3 - {arguments} <<'LISTENER'
{python}
LISTENER"""


def listening_s(node: Node) -> float:
    """Longer than between two adverts of ours. A stranger's need not be waited for: the table that
    turns it away (SYS-04) remembers it for a minute."""
    return max(node.advert_s + 0.05, 0.35)


def listen(node: Node, vrrp: Cluster) -> Bundle:
    """Listens for adverts, and asks whose MAC answers for the VIP."""
    seconds = listening_s(node)
    mine = vrrp.view_of(node)
    words = [mine.interface, str(mine.own), str(vrrp.vip.ip), f"{seconds}"]
    words += [mine.vrrp.name] if mine.vrrp.name != mine.interface else []
    arguments = shlex.join(words)
    if vrrp.vip.version == 4:
        listen = _LISTEN.format(
            arguments=arguments, perl=_PERL.read_text(), python=_PYTHON.read_text()
        )
        shown = f"ssh {node.address} perl - {arguments} <{_PLACE}/{_PERL.name}"
    else:
        listen = _LISTEN6.format(arguments=arguments, python=_PYTHON6.read_text())
        shown = f"ssh {node.address} python3 - {arguments} <{_PLACE}/{_PYTHON6.name}"
    probe = told(of_vip("heard", vrrp.place), listen, shown)
    return Bundle(probe, timeout_s=seconds + PROBE_TIMEOUT_S)
