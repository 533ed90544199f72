"""The drills: what each breaks, what it may cost, and what it needs. One entry, one drill."""

from __future__ import annotations

from drills.analysis import expected_outage
from drills.analysis.fault_evidence import every, lost_meanwhile, shown, taken_back, two_holders
from drills.clients.prober import WHOLE_TIMEOUT_S
from drills.control import faults
from drills.results import Budget, Measure
from drills.scenarios import failures, many_clients
from drills.scenarios.failures import on_holder
from drills.scenarios.network_drills import NETWORK, OVERLOAD
from drills.scenarios.planned_changes import CHANGES
from drills.scenarios.scenario import Drill

# Where the address comes back, judged by the median: see verdict.over_all.
NOTHING_LOST = Budget(lost=0)
REPLACED = Budget(seconds=0.40, one_holder_s=1.0)
# As where the holder has fallen silent, although it has not: that may happen once.
MOVED_ONCE = Budget(seconds=0.35, moves=1)
# The lab's machines boot in two seconds, on a busy controller in five.
BOOTED = Budget(seconds=6.0)


FAULTS: tuple[Drill, ...] = (
    Drill(
        "nginx-crash",
        "nginx killed",
        "kill -9 of nginx's master on the holder",
        expected_outage.nginx_gone,
        Budget(seconds=0.05),
        steps=on_holder(faults.NGINX_KILLED),
        evidence=shown(),
    ),
    Drill(
        "nginx-freeze",
        "nginx frozen",
        "SIGSTOP to nginx's master and workers on the holder: alive, and silent",
        expected_outage.nginx_hangs,
        Budget(seconds=1.0),
        steps=on_holder(faults.NGINX_FROZEN),
        slowest_s=WHOLE_TIMEOUT_S + 0.1,  # who waits there is answered when nginx goes on
        evidence=shown(),
    ),
    Drill(
        "worker-crash",
        "nginx worker killed",
        "kill -9 of one worker on the holder",
        expected_outage.worker_gone,
        Budget(lost=1, moves=0),
        steps=on_holder(faults.WORKER_KILLED),
        evidence=shown(),
    ),
    Drill(
        "all-nginx-dead",
        "nginx dead everywhere",
        "nginx dead on every node and kept down, then back on a standby",
        expected_outage.claimed,
        Budget(seconds=1.0, one_holder_s=1.0),
        steps=failures.all_nginx_dead,
        measure=Measure.RECOVERY,
        about_s=6,
        evidence=every(shown(2), lost_meanwhile),
    ),
    Drill(
        "keepalived-stop",
        "keepalived stopped",
        "systemctl stop keepalived on the holder",
        expected_outage.goodbye,
        Budget(seconds=0.05),
        steps=on_holder(faults.KEEPALIVED_STOPPED),
        evidence=shown(),
    ),
    Drill(
        "keepalived-crash",
        "keepalived killed",
        "kill -9 of every keepalived process on the holder",
        expected_outage.silence,
        REPLACED,
        steps=on_holder(faults.KEEPALIVED_KILLED),
        evidence=shown(),
    ),
    Drill(
        "vrrp-child-crash",
        "VRRP process killed",
        "kill -9 of keepalived's VRRP process on the holder, not of its parent",
        expected_outage.silence,
        REPLACED,
        steps=on_holder(faults.VRRP_CHILD_KILLED),
        evidence=shown(),
    ),
    Drill(
        "keepalived-freeze",
        "keepalived frozen",
        "SIGSTOP to keepalived on the holder: it keeps the address and says nothing",
        budget=Budget(seconds=0.40),
        steps=on_holder(faults.KEEPALIVED_FROZEN),
        one_holder=False,
        evidence=shown(),
    ),
    Drill(
        "backup-crash",
        "standby killed",
        "kill -9 of nginx and keepalived on a standby",
        steps=failures.backup_crash,
        evidence=shown(2),
    ),
    Drill(
        "link-cut",
        "holder's link cut",
        "the holder's network cable is pulled",
        expected_outage.silence,
        Budget(seconds=0.35),
        steps=failures.link_cut,
        needs="lab",
        evidence=shown(),
    ),
    Drill(
        "link-back",
        "link back",
        "the former holder's cable is put in again",
        budget=NOTHING_LOST,
        steps=failures.way_back("cable back"),
        prepare=failures.link_is_cut,
        needs="lab",
        about_s=5,
        evidence=every(shown(), taken_back),
    ),
    Drill(
        "power-off",
        "holder without power",
        "the holder's power is cut",
        expected_outage.silence,
        Budget(seconds=0.35),
        steps=failures.power_off,
        needs="lab",
        about_s=8,
        evidence=shown(),
    ),
    Drill(
        "power-on",
        "power back",
        "the former holder boots again",
        budget=NOTHING_LOST,
        steps=failures.way_back("power back"),
        prepare=failures.power_is_off,
        needs="lab",
        about_s=8,
        evidence=every(shown(), taken_back),
    ),
    Drill(
        "both-off-on",
        "all without power",
        "every node loses its power at once, and boots again",
        lambda timing: None,  # how long a machine boots is not the protocol's
        BOOTED,
        steps=failures.both_off_on,
        needs="lab",
        measure=Measure.RECOVERY,
        one_holder=False,  # nor is it alive before it has booted
        nowhere=True,
        about_s=10,
        evidence=every(shown(2), lost_meanwhile),
    ),
    Drill(
        "reboot",
        "holder rebooted",
        "systemctl reboot on the holder",
        expected_outage.goodbye,
        Budget(seconds=0.40),
        steps=failures.reboot,
        about_s=10,
        evidence=shown(),
    ),
    Drill(
        "partition",
        "partition and heal",
        "no node hears another's adverts, so that each takes the address; then healed",
        budget=Budget(seconds=1.0, one_holder_s=1.0),
        steps=failures.partition,
        needs="nft",
        one_holder=False,
        times=2,
        about_s=4,
        evidence=two_holders,
    ),
    Drill(
        "one-way-loss",
        "adverts lost one way",
        "the standbys do not hear the holder, which hears them; then healed",
        budget=NOTHING_LOST,
        steps=failures.one_way_loss,
        needs="nft",
        one_holder=False,
        evidence=shown(),
    ),
    Drill(
        "lossy-network",
        "lossy network",
        "30 % of the adverts to the standbys are lost at random",
        budget=MOVED_ONCE,
        steps=failures.lossy_network,
        needs="nft",
        about_s=8,
        evidence=shown(),
    ),
    Drill(
        "rogue",
        "rogue VRRP speaker",
        "a stranger on the network claims the address with priority 255, the highest there is",
        steps=failures.rogue,
        needs="lab",
        evidence=shown(),
    ),
    Drill(
        "disk-full",
        "disk full",
        "nothing that nginx wants to write on the holder can be written",
        steps=on_holder(faults.DISK_FULL),
        evidence=shown(),
    ),
    Drill(
        "cpu-starved",
        "CPU starved",
        f"{faults.HOGS_PER_CPU} busy processes per CPU on the holder for {failures.STARVED_S} s",
        budget=MOVED_ONCE,
        steps=failures.cpu_starved,
        about_s=5,
        evidence=shown(),
    ),
    Drill(
        "clock-step",
        "clock stepped",
        "the holder's clock is set 60 s ahead, and back",
        steps=on_holder(faults.CLOCK_STEPPED),
        needs="clock",
        evidence=shown(),
    ),
    Drill(
        "bad-config-reload",
        "broken configuration",
        "nginx.conf is broken on the holder's disk, then nginx is told to reload",
        steps=on_holder(faults.BAD_CONFIGURATION),
        evidence=shown(),
    ),
)


DRILLS = FAULTS + NETWORK + OVERLOAD + CHANGES + many_clients.MANY_CLIENTS
BY_NAME = {drill.name: drill for drill in DRILLS}
ALL = "all"
# Also for a quick look: one of each kind that takes no machine down.
QUICK = ("nginx-crash", "keepalived-stop", "keepalived-crash", "link-cut", "backup-crash")
GROUPS: dict[str, tuple[str, ...]] = {
    ALL: tuple(drill.name for drill in (*FAULTS, *NETWORK, *OVERLOAD)),
    "network": tuple(drill.name for drill in NETWORK),
    "overload": tuple(drill.name for drill in OVERLOAD),
    "changes": tuple(drill.name for drill in CHANGES),
    "quick": QUICK,
    "crowds": tuple(drill.name for drill in many_clients.MANY_CLIENTS),
}
