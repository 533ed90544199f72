"""The drills of routed clusters: what each breaks, what it may cost, and what it needs.

All of them are done with connections and downloads going on: whether those of other nodes stay,
when routers choose anew for every flow, is what this profile is for.
"""

from __future__ import annotations

from functools import partial

from drills.analysis import routed_outage
from drills.analysis.fault_evidence import announced_again, every, shown
from drills.analysis.serving_rules import ServingRules
from drills.clients.prober import WHOLE_TIMEOUT_S
from drills.control import faults
from drills.control.routed import routed_faults
from drills.results import Budget
from drills.scenarios import change_steps, failures
from drills.scenarios.planned_changes import NOT_EVEN_IDLE, NOTHING_BROKEN
from drills.scenarios.routed import routed_steps
from drills.scenarios.scenario import Drill

_SERVING = ServingRules()
# Nobody withdraws: routers notice nothing of it, and nothing moves, also without the second chance.
_NOBODY_OUT = ServingRules(out=0)
# Those that have been passed over hold what they had until it is known that they are gone.
SILENT = Budget(seconds=0.20)
# Whatever lives on a node goes on there: others pass on what routers send elsewhere.
TOLD, UNTOLD = (Budget(seconds=seconds, failed=0, cut=0) for seconds in (0.05, 0.20))

_routed = partial(
    Drill,
    rules=_SERVING,
    one_holder=False,
    long_lived=True,
    evidence=shown(),
    about_s=12.0,
)
_change = partial(_routed, budget=NOTHING_BROKEN, times=0.4, about_s=25.0)

ROUTED_FAULTS: tuple[Drill, ...] = (
    _routed(
        "nginx-crash",
        "nginx killed",
        "kill -9 of nginx's master on one node",
        routed_outage.withdrawn,
        Budget(seconds=0.05),
        steps=routed_steps.passes_over(faults.NGINX_KILLED),
    ),
    _routed(
        "nginx-freeze",
        "nginx frozen",
        "SIGSTOP to nginx's master and workers on one node: alive, and silent",
        routed_outage.hangs,
        Budget(seconds=1.0),
        # What has waited there is lost by then, and not answered when nginx goes on.
        steps=routed_steps.passes_over(faults.NGINX_FROZEN, WHOLE_TIMEOUT_S),
        slowest_s=WHOLE_TIMEOUT_S + 0.1,
    ),
    _routed(
        "bird-stop",
        "BIRD stopped",
        "systemctl stop bird on one node",
        routed_outage.withdrawn,
        TOLD,
        steps=routed_steps.passes_over(routed_faults.BIRD_STOPPED),
    ),
    _routed(
        "bird-crash",
        "BIRD killed",
        "kill -9 of BIRD on one node",
        routed_outage.withdrawn,
        TOLD,
        steps=failures.on_holder(routed_faults.BIRD_KILLED),
    ),
    _routed(
        "watch-crash",
        "the watch killed",
        "kill -9 of tandem-watch on one node",
        budget=NOT_EVEN_IDLE,
        rules=_NOBODY_OUT,
        steps=failures.on_holder(routed_faults.WATCH_KILLED),
    ),
    _routed(
        "link-cut",
        "a node's link cut",
        "one node's network cable is pulled",
        routed_outage.silent,
        SILENT,
        steps=routed_steps.link_cut,
        needs="lab",
    ),
    _routed(
        "link-back",
        "link back",
        "that cable is put in again",
        routed_outage.moved,
        budget=NOTHING_BROKEN,
        steps=failures.way_back("cable back"),
        prepare=routed_steps.link_is_cut,
        needs="lab",
        evidence=every(shown(), announced_again),
    ),
    _routed(
        "power-off",
        "a node without power",
        "one node's power is cut",
        routed_outage.silent,
        SILENT,
        steps=routed_steps.power_off,
        needs="lab",
        about_s=16,
    ),
    _routed(
        "router-restart",
        "a router's BIRD killed",
        "kill -9 of the BIRD of one router, which starts again",
        routed_outage.silent,
        UNTOLD,
        steps=routed_steps.router_restart,
        needs="lab,routers",
        # Of each node's flows those by this router.
        rules=ServingRules(their_share=False),
    ),
    _routed(
        "rogue-announcement",
        "a stranger announces",
        "a stranger on the network calls routers and nodes by BGP, and offers them the VIP",
        budget=NOT_EVEN_IDLE,
        rules=_NOBODY_OUT,
        steps=routed_steps.rogue_announcement,
        needs="lab,ipv4",
        evidence=shown(2),
    ),
)

ROUTED_CHANGES: tuple[Drill, ...] = (
    _change(
        "drain",
        "drained",
        "one node is drained, and takes part again",
        routed_outage.moved,
        budget=NOT_EVEN_IDLE,
        steps=routed_steps.drain,
    ),
    _change(
        "node-leaves",
        "a node leaves",
        "one node is drained, its nginx ended in order, and its power cut",
        routed_outage.moved,
        steps=routed_steps.leave,
        needs="lab",
        evidence=shown(2),
        about_s=60,
    ),
    _change(
        "node-joins",
        "a node joins",
        "a machine that had no power boots, and takes part",
        routed_outage.moved,
        steps=routed_steps.join,
        prepare=routed_steps.has_left,
        needs="lab",
        evidence=every(shown(), announced_again),
    ),
    _change(
        "reload",
        "reload",
        "systemctl reload nginx on one node",
        rules=_NOBODY_OUT,
        steps=change_steps.reload,
    ),
    _change(
        "upgrade",
        "nginx upgraded",
        f"deploy.py on machines with nginx {change_steps.OLDER}, whose sockets are taken over",
        rules=_NOBODY_OUT,
        steps=change_steps.upgrade,
        prepare=change_steps.older,
        needs="older",
        about_s=60,
    ),
    _change(
        "rolling-deploy",
        "all changed at once",
        "deploy.py with another build, unit and configuration of nginx, and BIRD's, and back",
        routed_outage.moved,
        steps=routed_steps.rolling_deploy,
        prepare=change_steps.older,
        needs="older",
        about_s=80,
    ),
)

ROUTED_DRILLS = ROUTED_FAULTS + ROUTED_CHANGES
# Also for a quick look: one of each kind that takes no machine down.
ROUTED_QUICK = ("nginx-crash", "link-cut", "drain")
ROUTED_GROUPS: dict[str, tuple[str, ...]] = {
    "all": tuple(drill.name for drill in ROUTED_FAULTS),
    "changes": tuple(drill.name for drill in ROUTED_CHANGES),
    "quick": ROUTED_QUICK,
}
