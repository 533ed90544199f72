"""SELinux: the types of files that no package has installed.

Programs below /usr/lib/tandem run unconfined, as what systemd starts from /usr/bin does. keepalived
stays confined as its distribution has it, and gets the types that its policy keeps for scripts and
for files that it reads.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pyinfra.api import FactBase

from controller.batched_facts import change, parallel, rolling
from settings.programs import hook_files
from tasks.machine.survey import SurveyedMachine

# pyinfra's own `selinux.file_context_mapping` lists the policy once for each mapping, which takes
# seconds, and does not see files that have another type than the policy says; here one round trip
# answers both for all of them.
# Patterns as `semanage fcontext` takes them.
TYPES = {
    "/usr/lib/tandem(/.*)?": "bin_t",
    r"/etc/keepalived/notify\.sh": "keepalived_unconfined_script_exec_t",
    "/run/tandem(/.*)?": "keepalived_var_run_t",
    # Programs, whoever starts them; what is in /etc otherwise is none.
    f"{hook_files.PLACE}(/.*)?": "bin_t",
}
PLACES = ("/usr/lib/tandem", "/etc/keepalived/notify.sh", "/run/tandem", hook_files.PLACE)
# (-i: there may be no hooks.)
RELABEL = f"restorecon -iR {shlex.join(PLACES)}"


class Labels(NamedTuple):
    """Types that this machine's policy has by `semanage`, and files that are labelled otherwise."""

    types: Mapping[str, str] = MappingProxyType({})
    wrong: tuple[str, ...] = ()


class LabelsFact(FactBase[Labels]):
    """The `Labels`, in one round trip."""

    default = Labels

    def command(self) -> str:
        dry = RELABEL.replace("restorecon", "restorecon -nv")
        return f"semanage fcontext -l -C -n; {dry} 2>/dev/null; true"

    def process(self, output: list[str]) -> Labels:
        # semanage prints "PATTERN  all files  USER:ROLE:TYPE:LEVEL", restorecon -nv "Would relabel
        # PATH from … to …".
        text = "\n".join(output)
        types = re.findall(r"^(\S+) .*\s[^\s:]*:[^\s:]*:([^\s:]*):\S*$", text, re.MULTILINE)
        wrong = re.findall(r"^Would relabel (\S+) ", text, re.MULTILINE)
        return Labels({name: kind for name, kind in types if name != "Would"}, tuple(wrong))


def configure(machine: SurveyedMachine) -> None:
    """Give our files their types, where SELinux is on."""
    if machine.selinux:
        parallel.request(LabelsFact)
        apply_labels(name="SELinux: types of files that no package has installed")


@change("all are labelled")
def apply_labels() -> Iterator[str]:
    """Add the types that the policy lacks, and give the files their types."""
    found = parallel.get(LabelsFact)
    missing = {name: kind for name, kind in TYPES.items() if found.types.get(name) != kind}
    for name, kind in missing.items():
        verb = "-m" if name in found.types else "-a"
        yield f"semanage fcontext {verb} -t {kind} {shlex.quote(name)}"
    if missing or found.wrong:
        yield RELABEL


@change("its policy has none of our types")
def remove_labels(machine: SurveyedMachine) -> Iterator[str]:
    """Remove our types from the policy; the files that have them are removed elsewhere."""
    types = rolling.get(LabelsFact).types if machine.selinux else {}
    for name in TYPES:
        if name in types:
            yield f"semanage fcontext -d {shlex.quote(name)}"
