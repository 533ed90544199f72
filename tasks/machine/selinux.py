"""SELinux: what its policy has to know of files that no package has brought.

Everything of ours below /usr/lib/tandem runs as what systemd starts from /usr/bin would,
unconfined; keepalived stays confined as its distribution has it, and gets the types that its policy
keeps for scripts and for files that it reads.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterable
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from tasks.machine.survey import Machine

# Patterns as `semanage fcontext` takes them.
TYPES = {
    "/usr/lib/tandem(/.*)?": "bin_t",
    r"/etc/keepalived/notify\.sh": "keepalived_unconfined_script_exec_t",
    "/run/tandem(/.*)?": "keepalived_var_run_t",
}
PLACES = ("/usr/lib/tandem", "/etc/keepalived/notify.sh", "/run/tandem")
RELABEL = f"restorecon -R {shlex.join(PLACES)}"


class Labels(NamedTuple):
    """Types that this machine's policy has by `semanage`, and files that are labelled otherwise."""

    types: dict[str, str]
    wrong: tuple[str, ...]


class Labelled(FactBase[Labels]):
    """What `Labels` holds, in one round trip."""

    @staticmethod
    def default() -> Labels:
        return Labels({}, ())

    def command(self) -> str:
        dry = RELABEL.replace("restorecon", "restorecon -nv")
        return f"semanage fcontext -l -C -n; {dry} 2>/dev/null; true"

    def process(self, output: list[str]) -> Labels:
        return labels(output)


def labels(lines: Iterable[str]) -> Labels:
    """Lines of `semanage fcontext -l -C -n` ("PATTERN  all files  USER:ROLE:TYPE:LEVEL") and of
    `restorecon -nv` ("Would relabel PATH from … to …")."""
    types: dict[str, str] = {}
    wrong: list[str] = []
    for line in lines:
        words = line.split()
        if line.startswith("Would relabel "):
            wrong.append(words[2])
        elif len(words) >= 3 and words[-1].count(":") >= 3:
            types[words[0]] = words[-1].split(":")[2]
    return Labels(types, tuple(wrong))


def label(machine: Machine) -> None:
    """Have the types, where SELinux is on."""
    if machine.selinux:
        batched_facts.parallel.request(Labelled)
        labelled(name="SELinux: types of what no package has brought")


@operation()
def labelled() -> Generator[StringCommand, None, None]:
    """Tell the policy what is not told yet, and give the files their types."""
    found = batched_facts.parallel.get(Labelled)
    missing = {name: kind for name, kind in TYPES.items() if found.types.get(name) != kind}
    if not missing and not found.wrong:
        host.noop("all are labelled")
        return
    batched_facts.invalidate()
    for name, kind in missing.items():
        verb = "-m" if name in found.types else "-a"
        yield StringCommand(f"semanage fcontext {verb} -t {kind} {shlex.quote(name)}")
    yield StringCommand(RELABEL)


@operation()
def unlabelled(machine: Machine) -> Generator[StringCommand, None, None]:
    """Let the policy forget our types; what they were for goes with its files."""
    told = batched_facts.rolling.get(Labelled).types if machine.selinux else {}
    ours = [name for name in TYPES if name in told]
    if not ours:
        host.noop("its policy knows nothing of ours")
        return
    batched_facts.invalidate()
    for name in ours:
        yield StringCommand(f"semanage fcontext -d {shlex.quote(name)}")
