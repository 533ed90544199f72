"""KA: is keepalived installed, configured as asked for, running, and protected?"""

from __future__ import annotations

from verify.checks.check import Answer, Here, agrees, fails, faultless, holds, on_host, warns
from verify.checks.premises import (
    classic,
    keepalived_configured,
    keepalived_installed,
    nginx_running,
    watched,
)
from verify.observe.machine_probes import WATCH

AUTH_PASS_MAX = 8
# keepalived kills a check script that takes longer than its interval; far below that is healthy.
SCRIPT_BUDGET = 0.5
# How often the default profile looks for /etc/keepalived/down.
DOWN_INTERVAL_S = 1


@on_host(
    "KA-01",
    "its unit is enabled and active",
    reads=("units",),
    settles=True,
    reason="Without keepalived a node neither takes the VIP over nor gives it up.",
    remedy="systemctl enable --now keepalived; if it does not start: journalctl -u keepalived",
)
def unit(here: Here) -> Answer:
    found = here.machine.unit("keepalived")
    wanted = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "ConditionResult": "yes",
    }
    faults = [f"{name}={found.get(name, '')}" for name in wanted if found.get(name) != wanted[name]]
    return faultless(faults, expected="loaded, active, enabled", found="loaded, active, enabled")


@on_host(
    "KA-02",
    "its configuration is there and valid",
    reads=("keepalived_test",),
    needs=(keepalived_installed,),
    reason="keepalived starts with a missing file, and goes on with half of a wrong one.",
    remedy="Run deploy.py, which tests before it replaces; keepalived -t names what is wrong.",
)
def valid(here: Here) -> Answer:
    output = here.machine.output("keepalived_test")
    said = "; ".join(line for line in output.text.splitlines() if line.strip())
    if here.machine.output("keepalived_conf").status:
        return fails(expected="keepalived.conf", actual="there is none")
    if output.status == 1 and not said:
        return fails(expected="keepalived.conf", actual="it is empty")
    if output.status:
        meaning = {4: "fatal", 5: "it would run, but not as written", 6: "script security"}
        actual = f"exit {output.status} ({meaning.get(output.status, 'unknown')}): {said}"
        return fails(expected="keepalived -t exits 0", actual=actual)
    return holds("keepalived -t exits 0")


@on_host(
    "KA-03",
    "keepalived is installed and can tell its state",
    reads=("keepalived_version",),
    reason="Without JSON nobody can ask it which state it is in; guessing is not checking.",
    remedy="Run deploy.py, which installs the distribution's keepalived.",
)
def version(here: Here) -> Answer:
    expected = "keepalived with JSON"
    if not here.machine.keepalived_installed:
        return fails(expected=expected, actual="there is no /usr/sbin/keepalived")
    number, json = here.machine.keepalived_version
    if not json:
        return fails(expected=expected, actual=f"{number}, compiled without JSON")
    return holds(number)


@on_host(
    "KA-12",
    "the shared secret is the inventory's",
    reads=("keepalived_secret",),
    needs=(classic, keepalived_configured),
    reason="keepalived silently cuts a longer one; another one splits the cluster in two.",
    remedy="Run deploy.py: auth_pass comes from group_data/.",
)
def secret(here: Here) -> Answer:
    expected = f"the one in group_data/, {AUTH_PASS_MAX} characters at most"
    lines = here.machine.text("keepalived_secret").splitlines()
    if len(lines) != 1:
        return fails(expected=expected, actual=f"{len(lines)} lines auth_pass")
    verdict, length = lines[0].split()
    if verdict != "same" or int(length) > AUTH_PASS_MAX:
        return fails(expected=expected, actual=f"{verdict}, {length} characters")
    return holds(f"{length} characters")


@on_host(
    "KA-13",
    "only root can change the scripts it runs",
    reads=("keepalived_scripts",),
    needs=(keepalived_configured,),
    reason="keepalived runs them as root, and refuses those that somebody else can write.",
    remedy="chown root:root and chmod go-w for the file or directory named, or run deploy.py.",
)
def scripts_safe(here: Here) -> Answer:
    parts = here.machine.script_path_steps
    faults = [
        f"{part.name} on the way to {part.path} is {part.mode} {part.owner}:{part.group}"
        for part in parts
        if part.writable_by_others
    ]
    count = len({part.path for part in parts})
    return faultless(list(dict.fromkeys(faults)), expected="root's alone", found=f"{count} scripts")


@on_host(
    "KA-14",
    "its check scripts pass, and in time",
    reads=("keepalived_checks",),
    needs=(keepalived_configured, nginx_running),
    settles=True,
    reason="A check that cannot run lowers the priority of a healthy node, or misses a sick one.",
    remedy="Run the command shown; its program may be missing (psmisc has killall).",
)
def scripts_pass(here: Here) -> Answer:
    runs = here.machine.script_runs
    interval_s = here.node.check_interval_s if here.node.classic else DOWN_INTERVAL_S
    limit_ms = interval_s * 1000 * SCRIPT_BUDGET
    faults, drained = [], False
    for run in runs:
        if run.status is None:
            faults.append(f"not run, others may write it: {run.command}")
        elif run.status and "/etc/keepalived/down" in run.command and here.machine.drained:
            drained = True
        elif run.status:
            faults.append(f"exit {run.status}: {run.command}")
        elif run.milliseconds > limit_ms:
            faults.append(f"took {run.milliseconds} ms: {run.command}")
    if not runs:
        faults.append("no check script is configured")
    if drained and not faults:
        return warns(expected="not drained", actual=f"drained by {here.machine.drained_by}")
    return faultless(
        faults, expected=f"exit 0 within {limit_ms:.0f} ms", found=f"{len(runs)} scripts"
    )


@on_host(
    "KA-16",
    "it is started again when it dies",
    reads=("units",),
    needs=(keepalived_installed,),
    reason="A keepalived that stays dead leaves the VIP behind, and the other node takes it too.",
    remedy="Run deploy.py: the unit's drop-in sets Restart=always.",
)
def restarts(here: Here) -> Answer:
    return agrees(expected="always", actual=here.machine.unit("keepalived").get("Restart", "no"))


@on_host(
    "KA-20",
    "its secret is readable by root only",
    reads=("keepalived_files",),
    needs=(keepalived_configured,),
    reason="Who knows the secret can send adverts and take the VIP.",
    remedy="chown root:root /etc/keepalived/keepalived.conf; chmod 640 it. Then choose another "
    "auth_pass: this one may have been read.",
)
def secret_kept(here: Here) -> Answer:
    mode, owner, _ = here.machine.text("keepalived_files").split(" ", 2)
    shown = f"{int(mode, 8):04o} {owner}"
    kept = owner == "root:root" and not int(mode, 8) & 0o027
    return holds(shown) if kept else fails(expected="0640 root:root", actual=shown)


@on_host(
    "KA-21",
    "the watch runs, and nginx counts as alive",
    reads=("units", "watch_says"),
    needs=(watched, nginx_running),
    settles=True,
    reason="Without the watch nobody notices an nginx that hangs, and one that has failed is never "
    "trusted again.",
    remedy="systemctl enable --now tandem-watch, or run deploy.py. If it says failed: does "
    "curl http://127.0.0.1/tandem-health answer?",
)
def watch(here: Here) -> Answer:
    unit = here.machine.unit(WATCH)
    actual = f"{unit.get('ActiveState')}, {unit.get('UnitFileState')}"
    if actual != "active, enabled":
        return fails(expected="active, enabled", actual=actual)
    said = [line for line in here.machine.text("watch_says").splitlines() if line in ("0", "1")]
    return agrees(expected="failed 0, last resort 0", actual=_said(said))


def _said(values: list[str]) -> str:
    if len(values) != 2:
        return "the files that it writes are not there"
    return f"failed {values[0]}, last resort {values[1]}"
