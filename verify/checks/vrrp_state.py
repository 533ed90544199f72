"""KA: is each node's VRRP instance in the state, and with the priority, that it should have?"""

from __future__ import annotations

from verify.checks.check import Answer, Here, fails, faultless, holds, holds_if, on_host, warns
from verify.checks.premises import keepalived_configured, keepalived_running
from verify.read.keepalived_output import VrrpState


@on_host(
    "KA-04",
    "keepalived is MASTER or BACKUP, and settled",
    reads=("vrrp",),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="A node in FAULT takes no part in the election; one between two states has not decided.",
    remedy="journalctl -u keepalived -n 50 says what it waits for: a link, an interface, a check.",
)
def state(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    return holds_if(
        vrrp.state in (VrrpState.BACKUP, VrrpState.MASTER) and vrrp.wantstate == vrrp.state,
        expected="MASTER or BACKUP, and the state that it wants",
        actual=f"state {vrrp.state.name}, wanted {vrrp.wantstate.name}",
    )


@on_host(
    "KA-05",
    "keepalived's priority is the inventory's",
    reads=("vrrp", "keepalived_down"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="The priority decides who holds the VIP. A lowered priority means that a check fails.",
    remedy="Run deploy.py if the base differs. If the effective one is lower: is nginx running? "
    "Does /etc/keepalived/down exist?",
)
def priority(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    wanted, drained_by = here.cluster.priority(here.node), here.machine.drained_by
    if vrrp.base_priority != wanted:
        return fails(expected=f"base {wanted}", actual=f"base {vrrp.base_priority}")
    bonus = here.cluster.weights.holder if vrrp.state == VrrpState.MASTER else 0
    wanted += bonus  # where the VIP stays (preempt = False)
    lower = wanted - vrrp.effective_priority
    if lower and drained_by:
        actual = f"lower by {lower}: drained by {drained_by}"
        return warns(expected="not drained", actual=actual)
    if lower:
        actual = f"effective {vrrp.effective_priority}, lowered by {lower} by a check"
        return fails(expected=f"effective {wanted}", actual=actual)
    return holds(str(vrrp.base_priority))


@on_host(
    "KA-06",
    "kernel and keepalived agree about the VIP",
    reads=("vrrp", "addresses"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="keepalived does not notice an address that was added or removed by hand, until the "
    "VIP moves.",
    remedy="On the node that keepalived calls MASTER: systemctl restart keepalived. On any other: "
    "ip address delete VIP dev INTERFACE.",
)
def address(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    has = here.machine.carries(here.cluster.vip.ip)
    shown = f"{vrrp.state.name}, and {'has' if has else 'has not'} {here.cluster.vip.ip}"
    right = has == (vrrp.state == VrrpState.MASTER)
    return holds_if(right, expected="the VIP on the MASTER only", actual=shown)


@on_host(
    "KA-09",
    "the MASTER sends adverts, and backups receive them",
    reads=("vrrp_before", "vrrp"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="A backup that hears no adverts takes the VIP, and then two machines have it.",
    remedy="Does protocol 112 pass between the machines (nft list ruleset; multicast snooping on "
    "the switch)? Is the VRID the same everywhere (X-04)?",
)
def adverts(here: Here) -> Answer:
    before, after = here.machine.vrrp("vrrp_before"), here.machine.vrrp()
    sent = after.stats["advert_sent"] - before.stats["advert_sent"]
    received = after.stats["advert_rcvd"] - before.stats["advert_rcvd"]
    shown = f"{after.state.name}: {sent} sent, {received} received"
    master = after.state == VrrpState.MASTER
    right = sent > 0 and not received if master else received > 0 and not sent
    return holds_if(right, expected="the MASTER sends only, a BACKUP receives only", actual=shown)


@on_host(
    "KA-10",
    "keepalived refuses no advert",
    reads=("vrrp_before", "vrrp"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="A refused advert comes from a node with another configuration, or from a stranger.",
    remedy="journalctl -u keepalived names the sender. This clears old counts: kill -s "
    "$(keepalived --signum=STATS_CLEAR) $(cat /run/keepalived.pid)",
)
def refused(here: Here) -> Answer:
    before, after = here.machine.vrrp("vrrp_before").errors, here.machine.vrrp().errors
    now = {name: count for name, count in after.items() if count > before.get(name, 0)}
    if now:
        actual = ", ".join(f"{name} +{count - before.get(name, 0)}" for name, count in now.items())
        return fails(expected="no error counter increases", actual=actual)
    if after:
        actual = ", ".join(f"{name} {count}" for name, count in after.items())
        return warns(expected="all error counters 0", actual=f"{actual}, none of them increasing")
    return holds("all counters 0")


@on_host(
    "KA-18",
    "keepalived runs what its configuration file says",
    reads=("vrrp", "keepalived_conf"),
    needs=(keepalived_running, keepalived_configured),
    each_vip=True,
    reason="A file that was changed but not reloaded takes effect at the worst moment: after a "
    "crash.",
    remedy="systemctl reload keepalived if the change is intended; otherwise run deploy.py.",
)
def runs_file(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    written = here.machine.vrrp_conf()
    pairs = {
        "virtual_router_id": (written.last("virtual_router_id"), vrrp.vrid),
        "priority": (written.last("priority") or "100", vrrp.base_priority),
        "advert_int": (written.last("advert_int") or "1", vrrp.adver_int),
        "interface": (written.last("interface"), vrrp.ifp_ifname),
    }
    faults = [
        f"{name}: file {text}, running {value}"
        for name, (text, value) in pairs.items()
        if not _same(text, value)
    ]
    listed = [block.words[0] for block in next(written.every("virtual_ipaddress"), written).block]
    running = [text.split()[0] for text in vrrp.vips]
    if sorted(listed) != sorted(running):
        faults.append(f"virtual_ipaddress: file {listed}, running {running}")
    return faultless(faults, expected="file and process agree", found="they agree")


def _same(text: str, value: object) -> bool:
    try:
        return float(text) == float(str(value))
    except ValueError:
        return text == str(value)
