"""KA: is keepalived alive, configured as asked, and in the state that it should be in?"""

from __future__ import annotations

from verify.checks.check import Answer, Here, agrees, fails, faultless, holds, on_host, warns
from verify.checks.premises import (
    classic,
    keepalived_configured,
    keepalived_installed,
    keepalived_running,
    nginx_running,
    watched,
)
from verify.observe.probes import WATCH
from verify.read.keepalived_output import BACKUP, MASTER

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
    section = here.machine.section("keepalived_test")
    said = "; ".join(line for line in section.text.splitlines() if line.strip())
    if here.machine.section("keepalived_conf").status:
        return fails(expected="keepalived.conf", actual="there is none")
    if section.status == 1 and not said:
        return fails(expected="keepalived.conf", actual="it is empty")
    if section.status:
        meaning = {4: "fatal", 5: "it would run, but not as written", 6: "script security"}
        actual = f"exit {section.status} ({meaning.get(section.status, 'unknown')}): {said}"
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
    "KA-04",
    "it is MASTER or BACKUP, as it wants to be",
    reads=("vrrp",),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="In FAULT a node takes part in nothing; between two states it has not decided.",
    remedy="journalctl -u keepalived -n 50 says what it waits for: a link, an interface, a check.",
)
def state(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    if vrrp.state not in (BACKUP, MASTER) or vrrp.wantstate != vrrp.state:
        actual = f"state {vrrp.state_name}, wanted {vrrp.wantstate}"
        return fails(expected="MASTER or BACKUP, and wanted so", actual=actual)
    return holds(vrrp.state_name)


@on_host(
    "KA-05",
    "its priority is the inventory's",
    reads=("vrrp",),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="The priority decides who holds the VIP; a lowered one is a check that fails.",
    remedy="Run deploy.py if the base differs. If the effective one is lower: is nginx running? "
    "Does /etc/keepalived/down exist?",
)
def priority(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    wanted = here.cluster.priority(here.node)
    if vrrp.base_priority != wanted:
        return fails(expected=f"base {wanted}", actual=f"base {vrrp.base_priority}")
    lower = vrrp.base_priority - vrrp.effective_priority
    if lower and here.machine.drained:
        actual = f"lower by {lower}: drained by {here.machine.drained_by}"
        return warns(expected="not drained", actual=actual)
    if lower:
        actual = f"effective {vrrp.effective_priority}, a check takes {lower} off"
        return fails(expected=f"effective {wanted}", actual=actual)
    return holds(str(vrrp.base_priority))


@on_host(
    "KA-06",
    "kernel and keepalived agree about the VIP",
    reads=("vrrp", "addresses"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="An address taken away or added behind keepalived's back stays wrong until it moves.",
    remedy="On the node that keepalived calls MASTER: systemctl restart keepalived. On any other: "
    "ip address delete VIP dev INTERFACE.",
)
def address(here: Here) -> Answer:
    vrrp = here.machine.vrrp()
    has = here.machine.carries(here.cluster.vip.ip)
    says = vrrp.state == MASTER
    shown = f"{vrrp.state_name}, and {'has' if has else 'has not'} {here.cluster.vip.ip}"
    if has != says:
        return fails(expected="the VIP with MASTER, and only then", actual=shown)
    return holds(shown)


@on_host(
    "KA-09",
    "adverts flow",
    reads=("vrrp_before", "vrrp"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="A backup that hears nothing takes the VIP, and then two machines have it.",
    remedy="Is protocol 112 let through between the machines (nft list ruleset; multicast "
    "snooping on the switch)? Is the VRID the same everywhere (X-04)?",
)
def adverts(here: Here) -> Answer:
    before, after = here.machine.vrrp("vrrp_before"), here.machine.vrrp()
    sent = after.stats["advert_sent"] - before.stats["advert_sent"]
    received = after.stats["advert_rcvd"] - before.stats["advert_rcvd"]
    shown = f"{after.state_name}: {sent} sent, {received} received"
    right = sent > 0 and not received if after.state == MASTER else received > 0 and not sent
    if not right:
        return fails(expected="the MASTER sends only, a BACKUP receives only", actual=shown)
    return holds(shown)


@on_host(
    "KA-10",
    "no advert is refused",
    reads=("vrrp_before", "vrrp"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="A refused advert comes from a node that is configured otherwise, or from a stranger.",
    remedy="journalctl -u keepalived names the sender. Old counts are cleared by: "
    "kill -s $(keepalived --signum=STATS_CLEAR) $(cat /run/keepalived.pid)",
)
def refused(here: Here) -> Answer:
    before, after = here.machine.vrrp("vrrp_before").errors, here.machine.vrrp().errors
    now = {name: count for name, count in after.items() if count > before.get(name, 0)}
    if now:
        actual = ", ".join(f"{name} +{count - before.get(name, 0)}" for name, count in now.items())
        return fails(expected="no error counter moves", actual=actual)
    if after:
        actual = ", ".join(f"{name} {count}" for name, count in after.items())
        return warns(expected="all error counters 0", actual=f"{actual}, none of them now")
    return holds("all counters 0")


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
    parts = here.machine.script_parts
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
    "KA-18",
    "it runs what its configuration file says",
    reads=("vrrp", "keepalived_conf"),
    needs=(keepalived_running, keepalived_configured),
    each_vip=True,
    reason="A file changed and not reloaded takes effect at the worst moment: after a crash.",
    remedy="systemctl reload keepalived, if the change is meant; else run deploy.py.",
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
