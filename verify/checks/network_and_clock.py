"""NET, SYS, TIME: the address, the machine's own services, and its clock."""

from __future__ import annotations

from verify.checks.check import Answer, Here, fails, faultless, holds, on_host, skipped
from verify.checks.premises import keepalived_configured, nginx_installed, systemd

OFFSET_MAX_S = 0.05


@on_host(
    "NET-01",
    "the VIP has its prefix, interface and label",
    reads=("addresses",),
    settles=True,
    each_vip=True,
    reason="A wrong prefix breaks routes; without its label the address is not found by tools.",
    remedy="systemctl restart keepalived on the holder: it sets the address as its file says; X-06 "
    "tells whether the file is right.",
)
def vip(here: Here) -> Answer:
    wanted = here.cluster.vip
    label = here.node.label if wanted.version == 4 else here.node.interface
    expected = f"{wanted} on {here.node.interface} as {label}"
    found = here.machine.addresses(wanted.ip)
    if not found:
        return holds("not the holder")
    shown = [f"{wanted.ip}/{a.prefix} on {a.interface} as {a.label}" for a in found]
    return holds(shown[0]) if shown == [expected] else fails(expected=expected, actual=str(shown))


@on_host(
    "NET-02",
    "the VIP is not on it, unless it is the MASTER",
    reads=("addresses", "units", "vrrp"),
    settles=True,
    each_vip=True,
    reason="A second copy of the address answers some clients: split brain.",
    remedy="ip address delete VIP dev INTERFACE on this machine, after X-01 has told who holds it.",
)
def not_left_behind(here: Here) -> Answer:
    if not here.machine.carries(here.cluster.vip.ip):
        return holds("no VIP")
    if here.machine.unit("keepalived").get("ActiveState") != "active":
        actual = f"it has {here.cluster.vip.ip}, and no keepalived that could give it up"
    elif here.machine.vrrp().state_name != "MASTER":
        actual = f"it has {here.cluster.vip.ip}, and keepalived is {here.machine.vrrp().state_name}"
    else:
        return holds("it is the MASTER")
    return fails(expected="the VIP on the MASTER only", actual=actual)


@on_host(
    "NET-03",
    "its link is up, with multicast",
    reads=("addresses",),
    settles=True,
    reason="A link that is down, or that carries no multicast, cannot take the VIP over.",
    remedy="ip link set INTERFACE up multicast on; look at the cable and the switch.",
)
def link(here: Here) -> Answer:
    found = here.machine.interfaces.get(here.node.interface)
    expected = f"{here.node.interface} UP, LOWER_UP, MULTICAST, with {here.node.address}"
    if found is None:
        return fails(expected=expected, actual="no such interface")
    faults = [f"no {flag}" for flag in ("UP", "LOWER_UP", "MULTICAST") if flag not in found.flags]
    if all(address.ip != here.node.address for address in found.addresses):
        faults.append(f"no address {here.node.address}")
    return faultless(faults, expected=expected, found=", ".join(sorted(found.flags)))


@on_host(
    "SYS-04",
    "VRRP is heard from the cluster's machines only",
    reads=("speakers_table",),
    needs=(keepalived_configured,),
    settles=True,
    each_vip=True,
    reason="Whoever may speak VRRP here may take the VIP; keepalived 2.2.7 even loses it to a "
    "stranger of lower priority.",
    remedy="systemctl reload keepalived loads them; if they are gone again, something flushes all "
    "of nftables. If keepalived has none: deploy.py.",
)
def speakers(here: Here) -> Answer:
    node = here.node
    peers = frozenset(str(peer.own) for peer in here.cluster.peers(node))
    expected = f"VRID {node.virtual_router_id} on {node.interface} from the others only"
    if here.machine.section("speakers_table").status:
        return fails(expected=expected, actual="no table tandem_vrrp: anybody is heard")
    found = here.machine.speakers
    faults: list[str] = []
    if found.interface != node.interface or node.virtual_router_id not in found.vrids:
        vrids = " and ".join(map(str, sorted(found.vrids))) or "none"
        faults.append(f"it is about VRID {vrids} on {found.interface or 'no interface'}")
    if not found.drops_others:
        faults.append("it turns nobody away")
    if found.accepted != peers:
        faults.append(f"heard are {', '.join(sorted(found.accepted)) or 'none'}")
    return faultless(faults, expected=expected, found="the others, nobody else")


@on_host(
    "SYS-05",
    "no unit has failed",
    reads=("failed_units",),
    needs=(systemd,),
    reason="A failed unit is a promise of this machine that nobody keeps any more.",
    remedy="systemctl status UNIT and journalctl -u UNIT say why. Once mended: systemctl "
    "reset-failed.",
)
def failed_units(here: Here) -> Answer:
    lines = here.machine.text("failed_units").splitlines()
    return faultless([line.split()[0] for line in lines if line.split()], expected="none failed")


@on_host(
    "SYS-07",
    "nginx's logs are rotated",
    reads=("log_rotation", "log_rotation_file"),
    needs=(nginx_installed,),
    reason="Logs that grow for ever fill the disk; rotated without USR1 they are written to a "
    "deleted file.",
    remedy="Run deploy.py, which writes /etc/logrotate.d/nginx.",
)
def log_rotation(here: Here) -> Answer:
    if here.machine.section("log_rotation_file").status:
        return fails(expected="/etc/logrotate.d/nginx", actual="there is none")
    said = here.machine.text("log_rotation")
    faults = [line.strip() for line in said.splitlines() if line.startswith("error:")]
    if here.machine.section("log_rotation").status and not faults:
        faults.append(f"logrotate --debug exits {here.machine.section('log_rotation').status}")
    content = here.machine.text("log_rotation_file")
    lines = [line.strip() for line in content.splitlines() if not line.strip().startswith("#")]
    if not any(line.startswith("/var/log/nginx/") for line in lines):
        faults.append("it does not name /var/log/nginx/*.log")
    if not any("USR1" in line or "nginx -s reopen" in line for line in lines):
        faults.append("nginx is not told (USR1) to reopen its logs")
    return faultless(faults, expected="valid, both logs, with USR1", found="valid")


@on_host(
    "TIME-01",
    "its clock is right",
    reads=("offset",),
    reason="Logs of machines whose clocks differ cannot be told in order; certificates expire "
    "early or late.",
    remedy="Does the time server answer (ntp_server in group_data/)? Then: ntpdate SERVER",
)
def clock(here: Here) -> Answer:
    server = here.node.ntp_server
    if not server:
        return skipped("no ntp_server is set")
    offset = here.machine.offset
    shown = f"{offset.seconds:+.4f} s ± {offset.error_s:.4f} s against {server}"
    if abs(offset.seconds) - offset.error_s > OFFSET_MAX_S:
        return fails(expected=f"within {OFFSET_MAX_S} s", actual=shown)
    return holds(shown)
