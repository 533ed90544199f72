"""keepalived's configuration: staged and tested on all machines, put into service in each turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller import program_archive, rendering, run_changes
from controller.batched_facts import change
from settings import Cluster, Node
from settings.programs import hook_files
from tasks.keepalived import hooks, vips
from tasks.keepalived.speakers import speakers
from tasks.machine import one_file, service_state
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import quoted
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import KEEPALIVED_CONF, SurveyedMachine

# `keepalived -t` exits 0 for an empty file and 5 for one that it would run in spite of an error.
CHECK = "test -s {new} && /usr/sbin/keepalived --config-test --use-file {new}"
PROGRAM = "/usr/lib/tandem/apply-keepalived"
NOTIFY_PROGRAM = "/usr/lib/tandem/notify"
CHECK_FAILED = "/usr/lib/tandem/failed-unseen"
# Beside what keepalived reads, since it is a part of it: who is heard, and how often a client. A
# change makes it a reload.
SPEAKERS = "/etc/keepalived/vrrp.nft"
NOTIFY = "/etc/keepalived/notify.sh"
# For the hooks of drain.d; nothing waits for them. (What was deployed before has no such word.)
TELL_DRAIN = f"[ ! -d {hook_files.PLACE}/drain.d ] || {NOTIFY} drain >/dev/null 2>&1 || true"
# A person's drain. The recipe's own file: whoever makes it by hand does the same.
DRAIN_FILE = "/etc/keepalived/down"
DROP_IN = "/etc/systemd/system/keepalived.service.d/tandem.conf"
# What the distribution's init script reads.
DEFAULTS = {"debian": "/etc/default/keepalived", "redhat": "/etc/sysconfig/keepalived"}
SERVICE = ManagedService(
    "keepalived",
    "/usr/sbin/keepalived",
    configuration=KEEPALIVED_CONF,
    staged="/var/lib/tandem/keepalived/keepalived.conf",
    open_change=(
        *("/var/lib/tandem/keepalived/before.conf", "/var/lib/tandem/keepalived/took-part"),
        *("/var/lib/tandem/keepalived/.before.conf.new", "/etc/keepalived/.keepalived.conf.new"),
    ),
)
FOOTPRINT = Footprint(
    concern="keepalived",
    tables=("tandem_vrrp", "tandem_clients"),
    files=(
        PROGRAM,
        NOTIFY_PROGRAM,
        CHECK_FAILED,
        SERVICE.configuration,
        NOTIFY,
        SPEAKERS,
        DRAIN_FILE,
        DROP_IN,
        # keepalived's own (2.3): its name for `ip route` to show.
        "/etc/iproute2/rt_addrprotos.d/keepalived.conf",
    ),
    trees=("/run/keepalived", hook_files.PLACE),
    marked=tuple(DEFAULTS.values()),
    directories=(
        DROP_IN.rpartition("/")[0],
        "/etc/iproute2/rt_addrprotos.d",
        "/etc/iproute2",
    ),
)


def unit_addition(node: Node, cluster: Cluster, machine: SurveyedMachine) -> tuple[str, str]:
    """The path and the text of what is added to the distribution's own unit, or init script."""
    systemd = "keepalived/systemd-unit.conf.j2", DROP_IN
    template, path = (
        systemd if machine.systemd else ("sysv/keepalived.j2", DEFAULTS[machine.family])
    )
    return path, rendering.render(template, node=node, cluster=cluster, speakers=SPEAKERS)


def speakers_table(node: Node, cluster: Cluster) -> str:
    """The file that nft loads."""
    families = speakers(node, cluster)
    return rendering.render("keepalived/vrrp.nft.j2", node=node, cluster=cluster, families=families)


def files(node: Node, cluster: Cluster, machine: SurveyedMachine) -> tuple[str, ...]:
    """Paths of what makes keepalived's configuration, which go back with it."""
    unit, _ = unit_addition(node, cluster, machine)
    own = (hook.path for hook in hooks.of(node))
    return SERVICE.configuration, SPEAKERS, NOTIFY, unit, *own


def stage(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install everything that keepalived reads, tested; its configuration beside its place."""
    program = program_archive.archive("keepalived/notify")
    what = "keepalived: what mails what happened"
    one_file.file(what, NOTIFY_PROGRAM, program, mode="755")
    own = hooks.of(node)
    hooks.place(own)
    notify = rendering.render("keepalived/notify.sh.j2", node=node, hooks=own)
    one_file.file("keepalived: notify.sh, which calls it", NOTIFY, notify, mode="750")
    hooks.remove_others(name="keepalived: hooks that are no more are removed", hooks=own)
    what = "keepalived: what tells it that nginx has failed, where it cannot see it"
    one_file.file(what, CHECK_FAILED, rendering.read("keepalived/failed-unseen"), mode="755")
    what = "keepalived: what puts a configuration into service, or the old one back"
    one_file.file(what, PROGRAM, program_archive.archive("keepalived/apply-keepalived"), mode="755")
    configuration = rendering.render(
        f"keepalived/{'classic' if node.classic else 'fast'}.conf.j2",
        node=node,
        cluster=cluster,
        # A reload takes its limit on real-time work away and sets it anew (2.2.7): where that is
        # not allowed, the kernel kills it soon after.
        realtime=machine.raises_limits,
    )
    one_file.file(
        "keepalived: keepalived.conf staged, and tested",
        SERVICE.staged,
        configuration,
        mode="640",
        check=f"{_commands_there(node)}{CHECK}",
        secret=True,  # the password that a cluster shares
        told_as=SERVICE.configuration,
    )
    what, check = "keepalived: nftables, who may speak VRRP", "nft --check --file {new}"
    one_file.file(what, SPEAKERS, speakers_table(node, cluster), check=check)
    path, text = unit_addition(node, cluster, machine)
    # At once, and not when the unit is read: a VIP of an earlier form may be let go of before that.
    check = vips.keep_others(interface.name for interface in node.interfaces)
    check = check.replace("{", "{{").replace("}", "}}")
    one_file.file("keepalived: what its unit does besides", path, text, check=check)


def _commands_there(node: Node) -> str:
    """Shell that fails where a command of an own check is not there: keepalived says it less well,
    and goes on without. (The survey has found all but what packages were to bring. No braces: a
    file's path is filled in.)"""
    if not node.checks:
        return ""
    programs = " ".join(dict.fromkeys(check.command[0] for check in node.checks))
    why = "checks: not on this machine, or not executable: bring it there first:"
    return (
        f'missing=; for it in {programs}; do test -x $it || missing="$missing $it"; done; '
        f'if test -n "$missing"; then echo "{why}$missing" >&2; exit 1; fi; '
    )


@change("keepalived runs what is staged")
def apply(node: Node, cluster: Cluster, addresses: Iterable[str] = ()) -> Iterator[str]:
    """Have keepalived run what is staged; if it cannot, it runs as before and the run fails.

    + addresses: the staged configuration's VIPs, if they are not the cluster's.
    """
    todo, reason = service_state.due_steps(SERVICE)
    if not todo:
        return
    verb = todo[-1] if reason and todo[-1] in ("start", "restart") else "reload"
    run_changes.note_service("keepalived", verb, reason or "its unit has not been read")
    yield quoted(PROGRAM, verb, node.interface, *(addresses or vips.of(cluster)))
