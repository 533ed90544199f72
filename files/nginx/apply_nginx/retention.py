"""Which generations and builds are kept on the machine: those to go back to."""

import os

from apply_nginx import generations, layout, masters
from apply_nginx.installed_files import linked_build


def record_healthy(wanted):
    """`wanted` was seen healthy: it is current now, and what was current before is previous."""
    current = generations.linked("current")
    if current and current.name != wanted.name:
        generations.set_link("previous", current.name)
    generations.set_link("current", wanted.name)
    generations.end_change()
    prune()


def prune():
    """Remove the generations and builds that nobody would go back to, and what a killed run
    has left: previews and uploads."""
    links = ("staged", "current", "previous", "before")
    kept = [found for found in map(generations.linked, links) if found]
    names = {found.name for found in kept}
    for name in os.listdir(layout.in_state("generations")):
        if name not in names:
            generations.remove(layout.in_state("generations", name))
    for name in os.listdir(layout.STATE):
        if name.startswith(("view.", "upload.")):
            generations.remove(layout.in_state(name))
    builds = {found.build for found in kept} | {linked_build()}
    builds |= {masters.running_build(pid) for pid in (masters.new(), masters.old()) if pid}
    for name in os.listdir(layout.BUILDS):
        if name not in builds and not name.startswith("."):
            generations.remove(os.path.join(layout.BUILDS, name))
