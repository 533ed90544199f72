"""KA: is keepalived installed, configured as asked for, running, and protected?"""

from __future__ import annotations

from verify.checks.check import (
    Answer,
    Here,
    agrees,
    fails,
    faultless,
    holds,
    holds_if,
    on_host,
    warns,
)
from verify.checks.premises import (
    classic_profile,
    elects_holder,
    has_own_checks,
    has_watch,
    keepalived_configured,
    keepalived_installed,
    nginx_running,
)
from verify.observe.keepalived_probes import RUN_LIMIT_S
from verify.observe.machine_probes import WATCH
from verify.read.keepalived_log import GOOD
from verify.read.machine_view import RUNNING, CannotTell

AUTH_PASS_MAX = 8
# keepalived kills a check script that takes longer than its interval; far below that is healthy.
SCRIPT_BUDGET = 0.5
# How often the default profile looks for /etc/keepalived/down.
DOWN_INTERVAL_S = 1
# How `timeout` ends; a check may take longer than the verifier waits.
_TOOK_TOO_LONG = 124


@on_host(
    "KA-01",
    "keepalived's unit is enabled and active",
    reads=("units",),
    needs=(elects_holder,),
    settles=True,
    reason="Without keepalived a node neither takes the VIP nor gives it up.",
    remedy="systemctl enable --now keepalived; if it does not start: journalctl -u keepalived",
)
def unit(here: Here) -> Answer:
    return agrees(expected=RUNNING, actual=here.machine.service("keepalived"))


@on_host(
    "KA-02",
    "keepalived's configuration exists and is valid",
    reads=("keepalived_test", "keepalived_conf"),
    needs=(keepalived_installed,),
    reason="keepalived starts without a file, and applies the valid half of a wrong one.",
    remedy="Run deploy.py, which tests before it replaces; keepalived -t names what is wrong.",
)
def valid(here: Here) -> Answer:
    if not here.machine.keepalived_configured:
        found = here.machine.told("keepalived_conf").text
        return fails(expected="keepalived.conf", actual=found)
    *printed, last = here.machine.text("keepalived_test").splitlines()
    output = here.machine.told("keepalived_test")
    if output.status:
        shown = "; ".join(line for line in (*printed, last) if line.strip())
        meaning = {4: "fatal", 5: "it would run, but not as written", 6: "script security"}
        actual = f"exit {output.status} ({meaning.get(output.status, 'unknown')}): {shown}"
        return fails(expected="keepalived -t exits 0", actual=actual)
    if last != "valid":
        raise CannotTell(f"keepalived's test ended with {last!r}")
    assert here.machine.keepalived_conf  # what was tested can be read
    return holds("keepalived -t exits 0")


@on_host(
    "KA-03",
    "keepalived is installed and reports its state",
    reads=("keepalived_version",),
    needs=(elects_holder,),
    reason="Without JSON keepalived cannot be asked for its state, and no other check replaces "
    "that.",
    remedy="Run deploy.py, which installs the distribution's keepalived.",
)
def version(here: Here) -> Answer:
    expected = "keepalived with JSON"
    if not here.machine.keepalived_installed:
        return fails(expected=expected, actual="there is no /usr/sbin/keepalived")
    number, json = here.machine.keepalived_version
    shown = number if json else f"{number}, compiled without JSON"
    return holds_if(json, expected=expected, actual=shown)


@on_host(
    "KA-12",
    "the shared secret is the inventory's",
    reads=("keepalived_secret",),
    needs=(classic_profile, keepalived_configured),
    reason="keepalived silently shortens a longer secret; nodes with different secrets do not "
    "hear each other.",
    remedy="Run deploy.py: auth_pass comes from group_data/.",
)
def secret(here: Here) -> Answer:
    expected = f"the one in group_data/, {AUTH_PASS_MAX} characters at most"
    found = here.machine.keepalived_secrets
    # One for each VIP.
    if len(found) != len(here.cluster.vips):
        return fails(expected=expected, actual=f"{len(found)} lines with auth_pass")
    shown = " and ".join(
        f"{'same' if same else 'different'}, {length} characters"
        for same, length in dict.fromkeys(found)
    )
    right = all(same and length <= AUTH_PASS_MAX for same, length in found)
    return holds_if(right, expected=expected, actual=shown)


@on_host(
    "KA-13",
    "only root can change keepalived's scripts",
    reads=("keepalived_scripts",),
    needs=(keepalived_configured,),
    reason="keepalived runs them as root, and refuses those that others can write.",
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
    return faultless(
        list(dict.fromkeys(faults)), expected="only root can write them", found=f"{count} scripts"
    )


@on_host(
    "KA-14",
    "keepalived's check scripts pass in time",
    reads=("keepalived_checks", "keepalived_down"),
    needs=(keepalived_configured, nginx_running),
    settles=True,
    reason="A check that cannot run lowers the priority of a healthy node, or misses a failed one.",
    remedy="Run the command shown; its program may be missing (psmisc has killall).",
)
def scripts_pass(here: Here) -> Answer:
    own = {check.script for check in here.node.checks}
    runs = [run for run in here.machine.script_runs if run.command not in own]
    interval_s = here.node.check_interval_s if here.node.classic else DOWN_INTERVAL_S
    limit_ms = interval_s * 1000 * SCRIPT_BUDGET
    faults, drained = [], False
    for run in runs:
        if run.status is None:
            faults.append(f"not run, because others can write it: {run.command}")
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
    "KA-23",
    "your own checks are as they are set, and pass",
    reads=("keepalived_conf", "keepalived_checks", "keepalived_log"),
    needs=(has_own_checks, keepalived_configured),
    settles=True,
    reason="A command that is not there counts as failed on a node where all is well, or is not "
    "asked at all; one that fails moves the VIP, or keeps this node from taking it.",
    remedy="Run the command shown as root. If it passes and keepalived says otherwise: may it do "
    "that behind keepalived's walls (docs/hooks.md)? If it is not set: deploy.",
)
def own_checks(here: Here) -> Answer:
    conf = here.machine.keepalived_conf
    scripts = {block.words[1:]: block.last("script") for block in conf.every("vrrp_script")}
    tracked = [
        {line.words[0] for block in instance.every("track_script") for line in block.block}
        for instance in conf.every("vrrp_instance")
    ]
    runs = {run.command: run for run in here.machine.script_runs}
    said = here.machine.log_of_keepalived.own_checks
    faults = []
    for check in here.node.checks:
        name, run = f"own_{check.name}", runs.get(check.script)
        if scripts.get((name,)) != check.script or run is None:
            faults.append(f"{check.name}: keepalived.conf does not have it: {check.script}")
        elif not all(name in names for names in tracked):
            faults.append(f"{check.name}: no part of every election: {check.script}")
        elif run.status is None:
            faults.append(f"{check.name}: not there, or others can write it: {check.script}")
        elif run.status and (run.status != _TOOK_TOO_LONG or check.timeout_s <= RUN_LIMIT_S):
            faults.append(f"{check.name}: exit {run.status}: {check.script}")
        elif run.milliseconds > check.timeout_s * 1000:
            faults.append(f"{check.name}: took {run.milliseconds} ms: {check.script}")
        elif said.get(check.name, GOOD) != GOOD:
            faults.append(f"{check.name}: keepalived says: {said[check.name]}: {check.script}")
    return faultless(faults, expected="exit 0 in time", found=f"{len(here.node.checks)} checks")


@on_host(
    "KA-16",
    "systemd restarts keepalived when it dies",
    reads=("units",),
    needs=(keepalived_installed,),
    reason="If keepalived stays dead its node keeps the VIP, and the other node takes it too.",
    remedy="Run deploy.py: the unit's drop-in sets Restart=always.",
)
def restarts(here: Here) -> Answer:
    return agrees(expected="always", actual=here.machine.unit("keepalived")["Restart"])


@on_host(
    "KA-20",
    "only root can read keepalived's secret",
    reads=("keepalived_files",),
    needs=(keepalived_configured,),
    reason="Whoever knows the secret can send adverts and take the VIP.",
    remedy="chown root:root /etc/keepalived/keepalived.conf; chmod 640 it. Then choose another "
    "auth_pass: this one may have been read.",
)
def secret_kept(here: Here) -> Answer:
    mode, owner = here.machine.keepalived_file
    shown = f"{mode:04o} {owner}"
    kept = owner == "root:root" and not mode & 0o027
    return holds_if(kept, expected="0640 root:root", actual=shown)


@on_host(
    "KA-21",
    "the watch runs, and counts nginx as alive",
    reads=("units", "watch_says"),
    needs=(has_watch, nginx_running),
    settles=True,
    reason="Without the watch nobody notices a hanging nginx, and a node whose nginx failed never "
    "gets its priority back; a routed one is not announced at all.",
    remedy="systemctl enable --now tandem-watch, or run deploy.py. If it says failed: does "
    "curl http://127.0.0.1/tandem-health answer? journalctl -u tandem-watch names what else is "
    "missing: this machine's own address, its interface, a route to the others.",
)
def watch(here: Here) -> Answer:
    state = here.machine.service(WATCH)
    if state != RUNNING:
        return fails(expected=RUNNING, actual=state)
    said = here.machine.watch_says
    actual = f"failed {said['failed']}, last resort {said['last-resort']}"
    return agrees(expected="failed 0, last resort 0", actual=actual)
