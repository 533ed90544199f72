"""Which generations and builds are kept on the machine: those to go back to."""

import glob
import os
import re

from apply_nginx import generations, layout
from apply_nginx.installed_files import linked_build, remove_left_overs
from apply_nginx.serving import masters
from common.machine_files import read


def record_healthy(wanted):
    """`wanted` was seen healthy: it is current now, and what was current before is previous."""
    current = generations.linked("current")
    if current and current.name != wanted.name:
        generations.set_link("previous", current.name)
    generations.set_link("current", wanted.name)
    generations.end_change()
    prune()


def of_machine():
    """The generations of nginx that are a part of one of the whole machine (deploy_record)."""
    for path in sorted(glob.glob(layout.INDEXES)):
        # Its only key of that name; python3-minimal has no json.
        for name in re.findall(r'^ *"nginx": "([^"/]+)"', read(path), re.MULTILINE):
            directory = layout.in_state("generations", name)
            if os.path.isfile(os.path.join(directory, "about")):
                yield generations.StoredGeneration(directory)


def prune():
    """Remove the generations and builds that nobody would go back to, and previews."""
    kept = [
        found for found in (*map(generations.linked, generations.LINKS), *of_machine()) if found
    ]
    names = {found.name for found in kept}
    for name in os.listdir(layout.in_state("generations")):
        if name not in names:
            generations.remove(layout.in_state("generations", name))
    remove_left_overs()
    builds = {found.build for found in kept} | {linked_build()}
    builds |= {masters.running_build(pid) for pid in (masters.new(), masters.old()) if pid}
    for name in os.listdir(layout.BUILDS):
        if name not in builds and not name.startswith("."):
            generations.remove(os.path.join(layout.BUILDS, name))
