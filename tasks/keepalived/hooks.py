"""A person's own programs, which notify runs when this node's state changes, or when it is drained:
brought to the machines. notify.sh names those that are run: it goes back with them in a rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from controller.batched_facts import LinesFact, change, parallel
from settings import Bars, Cluster, Mistake, Node, Refused
from settings.programs.hook_files import PLACE, Hook, read
from settings.values import NotRead
from tasks.machine import one_file
from tasks.machine.quoting import quoted


def of(node: Node) -> list[Hook]:
    """What `hooks` has for this machine, in the order of the names. Raises `Refused`."""
    found, wrong = read(node.hooks)
    if wrong:
        raise Refused("; ".join(f"{path}: {remedy}" for path, remedy in wrong))
    return found


def mistakes(clusters: Iterable[Cluster]) -> Iterator[Mistake]:
    """What cannot be run, as far as the settings could be read."""
    for node in (node for cluster in clusters for node in cluster.nodes):
        try:
            _, wrong = read(node.hooks)
        except NotRead:
            continue
        for path, remedy in wrong:
            yield Mistake(node.name, "hooks", path, remedy, Bars.DEPLOY)


class PlacedHooks(LinesFact):
    """The paths of all that is in the hooks' directory."""

    def command(self) -> str:
        return f"find {PLACE} -mindepth 1 ! -type d 2>/dev/null || true"


def place(hooks: Sequence[Hook]) -> None:
    """Have these on the machine, and no others. notify.sh comes after it."""
    parallel.request(PlacedHooks)
    for hook in hooks:
        what = f"keepalived: the hook {hook.name}"
        one_file.file(what, hook.path, hook.program, mode="755")


@change("there are no others", PlacedHooks)
def remove_others(hooks: Sequence[Hook]) -> Iterator[str]:
    """Remove what is no hook any more; notify.sh does not name it by now."""
    wanted, there = [hook.path for hook in hooks], parallel.get(PlacedHooks)
    if others := sorted(path for path in there if path not in wanted):
        yield quoted("rm", "-rf", "--", *others)
