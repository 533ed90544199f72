"""The drills of planned changes: each with connections and downloads going on, and nothing lost."""

from __future__ import annotations

from functools import partial

from drills.analysis.fault_evidence import shown
from drills.results import Budget
from drills.scenarios import change_steps
from drills.scenarios.scenario import Drill

# One that reads its configuration anew closes connections that are idle, as every server may.
NOTHING_BROKEN = Budget(lost=0, failed=0, cut=0)
# Where nginx goes on as it is.
NOT_EVEN_IDLE = Budget(lost=0, failed=0, cut=0, reconnected=0)

# They take longer than faults do, and nothing in them is left to chance.
_change = partial(
    Drill, budget=NOTHING_BROKEN, times=0.4, about_s=15.0, long_lived=True, evidence=shown()
)

CHANGES: tuple[Drill, ...] = (
    _change(
        "switchover",
        "switch-over",
        "the address is moved to a standby and back, 10 times (moves=)",
        steps=change_steps.switchover,
        budget=NOT_EVEN_IDLE,
        about_s=90,
    ),
    _change(
        "reload",
        "reload",
        "systemctl reload nginx on the holder",
        steps=change_steps.reload,
    ),
    _change(
        "changed-setting",
        "setting of nginx changed",
        "deploy.py with another workload, and back",
        steps=change_steps.changed_setting,
    ),
    _change(
        "keepalived-setting",
        "setting of keepalived changed",
        "deploy.py with another missed_adverts (or sender of mail, in VRRPv2), and back",
        steps=change_steps.keepalived_setting,
        budget=NOT_EVEN_IDLE,
    ),
    _change(
        "upgrade",
        "nginx upgraded",
        f"deploy.py on machines that run nginx {change_steps.OLDER}",
        steps=change_steps.upgrade,
        prepare=change_steps.older,
        needs="older",
        about_s=40,
    ),
    _change(
        "rollback",
        "nginx rolled back",
        f"rollback.py, to nginx {change_steps.OLDER}, and deploy.py",
        steps=change_steps.rollback,
        prepare=change_steps.upgraded,
        needs="older",
        about_s=50,
    ),
    _change(
        "rolling-deploy",
        "all changed at once",
        "deploy.py with another build, unit and configuration of nginx, and keepalived's, and back",
        steps=change_steps.rolling_deploy,
        prepare=change_steps.older,
        needs="older",
        about_s=60,
    ),
    _change(
        "log-rotation",
        "logs rotated",
        f"logrotate --force on the holder, {change_steps.ROTATIONS} times",
        steps=change_steps.log_rotation,
        budget=NOT_EVEN_IDLE,
        # Outside the lab a drill must not make logrotate delete the oldest logs.
        needs="lab",
        check=change_steps.lines_lost,
    ),
)
