"""The drills of planned changes: each with connections and downloads going on, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drills.analysis import expected_outage
from drills.control.cluster_control import ClusterControl
from drills.results import Budget, Request
from drills.scenarios import change_steps
from drills.scenarios.scenario import Drill, Steps


def _change(
    name: str,
    title: str,
    breaks: str,
    steps: Steps,
    *,
    reconnected: int | None = None,
    prepare: Steps | None = None,
    needs: str = "",
    about_s: float = 15.0,
    check: Callable[[ClusterControl, Sequence[Request]], str] | None = None,
) -> Drill:
    """A planned change, which may cost nothing at all.

    `reconnected`: 0 where nginx goes on as it is. One that reads its configuration anew closes
    connections that are idle, as every server may.
    """
    return Drill(
        name,
        title,
        breaks,
        expected_outage.nothing,
        Budget(lost=0, failed=0, cut=0, reconnected=reconnected),
        steps=steps,
        prepare=prepare,
        needs=needs,
        # They take longer than faults do, and nothing in them is left to chance.
        times=0.4,
        about_s=about_s,
        long_lived=True,
        check=check,
    )


CHANGES: tuple[Drill, ...] = (
    _change(
        "switchover",
        "switch-over",
        "the address is moved to a standby and back, 10 times (moves=)",
        change_steps.switchover,
        reconnected=0,
        about_s=90,
    ),
    _change(
        "reload",
        "reload",
        "systemctl reload nginx on the holder",
        change_steps.reload,
    ),
    _change(
        "changed-setting",
        "setting of nginx changed",
        "deploy.py with another workload, and back",
        change_steps.changed_setting,
    ),
    _change(
        "keepalived-setting",
        "setting of keepalived changed",
        "deploy.py with another notification_email_from, and back",
        change_steps.keepalived_setting,
        reconnected=0,
    ),
    _change(
        "upgrade",
        "nginx upgraded",
        f"deploy.py on machines that run nginx {change_steps.OLDER}",
        change_steps.upgrade,
        prepare=change_steps.older,
        needs="older",
        about_s=40,
    ),
    _change(
        "rollback",
        "nginx rolled back",
        f"rollback.py, to nginx {change_steps.OLDER}, and deploy.py",
        change_steps.rollback,
        prepare=change_steps.upgraded,
        needs="older",
        about_s=50,
    ),
    _change(
        "rolling-deploy",
        "all changed at once",
        "deploy.py with another build, unit and configuration of nginx, and keepalived's, and back",
        change_steps.rolling_deploy,
        prepare=change_steps.older,
        needs="older",
        about_s=60,
    ),
    _change(
        "log-rotation",
        "logs rotated",
        f"logrotate --force on the holder, {change_steps.ROTATIONS} times",
        change_steps.log_rotation,
        reconnected=0,
        # Outside the lab a drill must not make logrotate delete the oldest logs.
        needs="lab",
        check=change_steps.lines_lost,
    ),
)
