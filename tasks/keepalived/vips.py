"""Where the VIPs are and what connects to them: shell that asks a machine, or waits there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyinfra.api import FactBase

from controller import run_changes
from controller.batched_facts import LinesFact, change, rolling
from settings import Cluster, Node
from settings.values import in_url
from tasks.machine import install_record, service_state
from tasks.machine.footprint import IS_DEPLOYED


def of(cluster: Cluster) -> tuple[str, ...]:
    """The cluster's VIPs, without what moves together with them."""
    return tuple(str(vrrp.vip.ip) for vrrp in cluster.vips)


# Prints the addresses of every interface but `lo`: there a VIP is for the hand-over, and not held.
SHOW_ADDRESSES = "ip -o address show | grep -v '^[0-9]*: lo '"


def show_held(vips: Iterable[str]) -> str:
    """Shell that prints a line "holds VIP" for each that the machine holds, on whatever interface:
    it may have been set up with another one."""
    wanted = " ".join(f"-e ' {vip}/'" for vip in vips)
    return f"{SHOW_ADDRESSES} | grep -oF {wanted} | sed 's,^,holds,; s,/$,,'"


def held(output: Iterable[str]) -> frozenset[str]:
    """The VIPs that `show_held` has printed."""
    return frozenset(line.removeprefix("holds ") for line in output if line.startswith("holds "))


def wait_for(
    node: Node, *, there: Iterable[str] = (), gone: Iterable[str] = (), seconds: int
) -> str:
    """Shell that waits until this node holds some VIPs and others no more, and fails after that."""
    wishes = {vip: f"{SHOW_ADDRESSES} | grep -qF ' {vip}/'" for vip in sorted(there)}
    wishes |= {vip: f"! {SHOW_ADDRESSES} | grep -qF ' {vip}/'" for vip in sorted(gone)}
    faults = "".join(
        f"{wish} || echo '{vip} is {'still' if wish[0] == '!' else 'not'} on {node.name} "
        f"after {seconds} s' >&2; "
        for vip, wish in wishes.items()
    )
    return (
        f"for try in $(seq {seconds * 10}); do {' && '.join(wishes.values())} && exit 0; "
        f"sleep 0.1; done; {faults}{service_state.MANAGER} log keepalived >&2; exit 1"
    )


def connections(cluster: Cluster) -> str:
    """Shell that lists the connections to any of them, a line each."""
    sources = " or ".join(f"src {in_url(vip.ip)}" for vip in cluster.addresses)
    return f"ss -Htn state established state close-wait state fin-wait-1 '( {sources} )'"


class Connections(FactBase[int]):
    """How many connections to the VIPs live on a machine."""

    default = int

    def command(self, cluster: Cluster) -> str:
        return f"{connections(cluster)} | wc -l"

    def process(self, output: list[str]) -> int:
        return int(output[0])


def wait_until_none(cluster: Cluster, node: str, seconds: int) -> str:
    """Shell that waits until no connection to the VIPs lives on `node`, and fails after that.

    It says every five seconds how many there are, which the controller shows at once. A person may
    skip it.
    """
    count, skip = f"$({connections(cluster)} | wc -l)", service_state.SKIP_WAITING
    return (
        # By its uptime: somebody may set the clock meanwhile.
        "now() { read -r now _ </proc/uptime; now=${now%%.*}; }; "
        f"rm -f {skip}; now; end=$((now + {seconds})); said=-5; "
        f'while n={count} && [ "$n" -gt 0 ]; do now; '
        f"if [ -e {skip} ]; then rm -f {skip}; echo 'waiting: skipped' >&2; exit 0; fi; "
        '[ "$now" -lt "$end" ] || { echo "connections that still live on '
        f'{node} after {seconds} s:" >&2; {connections(cluster)} >&2; exit 1; }}; '
        'if [ "$now" -ge $((said + 5)) ]; then said=$now; '
        f'echo "waiting: $n connections still live on {node}, $((end - now)) s at most. '
        f'To skip this, on {node}: touch {skip}" >&2; fi; sleep 1; done'
    )


def keep_others(interfaces: Iterable[str]) -> str:
    """Shell: from now on an address that leaves one of the interfaces takes no other one along.

    Where /proc/sys is read-only (some containers) it stays as it is, and NET-08 tells.
    """
    return "; ".join(map(_keep_others, interfaces))


def _keep_others(interface: str) -> str:
    name = f"net/ipv4/conf/{interface}/promote_secondaries"
    setting = f"{install_record.note_sysctl(name)} && ( echo 1 >/proc/sys/{name} ) 2>/dev/null"
    # (Where there is no such interface there is nothing to be set, nor anything to go back to.)
    return f"if [ -e /proc/sys/{name} ]; then {setting} || :; fi"


# --- taking them away ----------------------------------------------------------------------------


class LeftVips(LinesFact):
    """Where a machine that was deployed has the VIPs: "ADDRESS/PREFIX INTERFACE" each."""

    def command(self, vips: tuple[str, ...], interfaces: tuple[str, ...]) -> str:
        shown = "".join(f"ip -o address show to {vip}; " for vip in vips)
        ours = " || ".join(f'$2 == "{each}"' for each in ("lo", *interfaces))
        mine = f"{ours} {{ print $4, $2 }}"
        return f"if {IS_DEPLOYED}; then {{ {shown}}} | awk '{mine}'; fi; true"


def left_arguments(node: Node, cluster: Cluster) -> dict[str, object]:
    """The arguments of `LeftVips` for this node."""
    vips = tuple(str(vip.ip) for vip in cluster.addresses)
    return {"vips": vips, "interfaces": tuple(each.name for each in node.interfaces)}


@change("it has no VIP")
def delete_left(node: Node, cluster: Cluster) -> Iterator[str]:
    """Delete the VIPs from this machine, where a service that was killed has left them."""
    if run_changes.plans("keepalived", "stop") or run_changes.plans("tandem-handover", "remove"):
        return  # and takes them with it
    for line in rolling.get(LeftVips, **left_arguments(node, cluster)):
        address, interface = line.split()
        yield f"ip address delete {address} dev {interface}"


# Prints "rank VIP PRIORITY" for each VIP of a keepalived.conf.
RANKS = (
    'awk \'$1 == "priority" { p = $2 } $1 == "virtual_ipaddress" { v = 1; next } '
    'v && $1 != "!" { sub("/.*", "", $1); print "rank", $1, p; v = 0 }\''
)


def ranks(output: Iterable[str]) -> dict[str, int]:
    """A machine's priority for each VIP, from lines among which are those of `RANKS`."""
    found = [line.split()[1:] for line in output if line.startswith("rank ")]
    return {vip: int(priority) for vip, priority in found}


def show_speech(configuration: str, word: str) -> str:
    """Shell that prints "WORD VIP SPEECH" for each VIP of a keepalived.conf: what others have to
    know of it to hear it, as `speech` has it."""
    return (
        'awk \'$1 == "vrrp_version" { version = $2 } '
        '$1 == "virtual_router_id" { number = $2 } $1 ~ /^(uni|m)cast_src_ip$/ { from = $2 } '
        '$1 == "virtual_ipaddress" { v = 1; next } v && $1 != "!" { sub("/.*", "", $1); '
        f'print "{word}", $1, version + 0 "/" number "/" from; v = 0 }}\' {configuration}'
    )


def told_speech(output: Iterable[str], word: str) -> dict[str, str]:
    """The VIPs, each with its speech, from lines among which are those of `show_speech`."""
    found = [line.split()[1:] for line in output if line.startswith(f"{word} ")]
    return {vip: speech for vip, speech in found}


def speech(node: Node, cluster: Cluster) -> dict[str, str]:
    """What others have to know of each VIP to hear this node, as the settings have it: VRRP's
    version (0: the classic profile's own), the virtual router's number, and who speaks."""
    version = 0 if node.classic else node.vrrp_version
    views = {str(vrrp.vip.ip): vrrp.view_of(node) for vrrp in cluster.vips}
    return {
        vip: f"{version}/{mine.virtual_router_id}/{mine.speaks_from}" for vip, mine in views.items()
    }
