"""Observe how this machine's nginx differs from the wanted one."""

import os

from apply_nginx import generations, layout
from apply_nginx.decision import Observed
from apply_nginx.installed_files import has_files, is_installed, left_overs
from apply_nginx.serving import masters
from apply_nginx.serving.service_manager import RUNNING_STATE, compared_properties
from common.commands import run
from common.machine_files import content, read


def observe(wanted):
    """What `decide` decides by."""
    unit = compared_properties()
    unit_same = unit.get("Unit") == "same"
    if content(layout.UNIT) != wanted.unit:
        unit_file = os.path.join(wanted.directory, "unit")
        fingerprint = run(RUNNING_STATE, "fingerprint", "nginx", unit_file).output
        unit_same = fingerprint == read("/run/nginx/unit")
    new, old = masters.new(), masters.old()
    unfinished = generations.is_changing()
    current = generations.linked("current")
    return Observed(
        active=unit.get("ActiveState") in ("active", "reloading") and bool(new or old),
        tracked=unit.get("MainPID") in (str(new), str(old)),
        unit_same=unit_same,
        binary_same=masters.running_build(new) == wanted.build,
        # An old master that only finishes its last connections does not matter.
        two_masters=bool(old) and (unfinished or bool(masters.accepting(old)) or not new),
        files_same=has_files(wanted),
        files_read=unit.get("Configuration") == "same",
        recorded=is_installed(wanted)
        and unit.get("UnitFileState") == "enabled"
        and unit.get("NeedDaemonReload") != "yes"
        and not unfinished
        and not left_overs()
        and current is not None
        and current.name == wanted.name,
    )
