"""X: is what the settings ask for in service, or was the cluster rolled back?"""

from __future__ import annotations

from verify.checks.check import Across, Answer, fails, holds, in_cluster, warns


@in_cluster(
    "X-25",
    "nobody has rolled the cluster back",
    reads=("rolled_back", "last_deploy"),
    reason="After a rollback the machines are right, and the settings ask for something else: the "
    "next deploy brings back what was rolled back.",
    remedy="Take the change out of inventory.py, group_data/, the snippets or the sites, or mend "
    "it, and run deploy.py. Until then nothing is to be done: what differs from the settings "
    "because of the rollback counts as no fault.",
)
def rolled_back(across: Across) -> Answer:
    found = across.by_machine(lambda machine: machine.rolled_back)
    last = across.by_machine(lambda machine: machine.last_deploy)
    back = {name: its for name, its in found.items() if its}
    if not back:
        return holds("the last run that has changed anything was a deploy")
    changed = [f"{name}: {', '.join(its.changed)}" for name, its in back.items() if its.changed]
    if changed:
        return fails(
            expected="as the rollback has left it",
            actual=f"changed since the rollback: {'; '.join(changed)}",
        )
    said = {name: its.text for name in back if (its := last.get(name))}
    alike = set(said.values())
    shown = alike.pop() if len(alike) == 1 else across.named(said)
    others = [name for name in found if name not in back]
    if others:
        shown += f"; not {', '.join(others)}"
    return warns(expected="what the settings ask for", actual=shown)
