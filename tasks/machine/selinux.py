"""SELinux: the types of files that no package has installed.

Programs below /usr/lib/tandem run unconfined, as what systemd starts from /usr/bin does. keepalived
stays confined as its distribution has it, and gets the types that its policy keeps for scripts and
for files that it reads.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterable
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from tasks.machine.survey import SurveyedMachine

# pyinfra's own `selinux.file_context_mapping` lists the policy once for each mapping, which takes
# seconds, and does not see files that have another type than the policy says; here one round trip
# answers both for all of them.
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


class LabelsFact(FactBase[Labels]):
    """The `Labels`, in one round trip."""

    @staticmethod
    def default() -> Labels:
        return Labels({}, ())

    def command(self) -> str:
        dry = RELABEL.replace("restorecon", "restorecon -nv")
        return f"semanage fcontext -l -C -n; {dry} 2>/dev/null; true"

    def process(self, output: list[str]) -> Labels:
        return parse_labels(output)


def parse_labels(lines: Iterable[str]) -> Labels:
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


def configure(machine: SurveyedMachine) -> None:
    """Give our files their types, where SELinux is on."""
    if machine.selinux:
        batched_facts.parallel.request(LabelsFact)
        apply_labels(name="SELinux: types of files that no package has installed")


@operation()
def apply_labels() -> Generator[StringCommand, None, None]:
    """Add the types that the policy lacks, and give the files their types."""
    found = batched_facts.parallel.get(LabelsFact)
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
def remove_labels(machine: SurveyedMachine) -> Generator[StringCommand, None, None]:
    """Remove our types from the policy; the files that have them are removed elsewhere."""
    types = batched_facts.rolling.get(LabelsFact).types if machine.selinux else {}
    ours = [name for name in TYPES if name in types]
    if not ours:
        host.noop("its policy has none of our types")
        return
    batched_facts.invalidate()
    for name in ours:
        yield StringCommand(f"semanage fcontext -d {shlex.quote(name)}")
