"""The machine under the services: what it is, its packages, account, clock, limits, firewall."""

from tasks.machine import clock, install_record, limits, packages, service_state
from tasks.machine.footprint import Footprint

# With the directories that concerns share.
FOOTPRINT = Footprint(
    concern="the machine itself",
    files=(service_state.MANAGER, service_state.RUNNING_STATE, limits.FILE, clock.SOURCES),
    trees=("/usr/lib/tandem", "/etc/tandem", "/run/tandem"),
    directories=("/etc/tmpfiles.d",),
    passing=(f"{limits.FILE}.new",),
)
# Removed last: as long as it is there, a machine is known to be deployed.
RECORD = Footprint(
    concern="the record of all this",
    trees=("/var/lib/tandem", "/var/lib/.tandem.new"),
    passing=install_record.PASSING,
    programs_passing=(packages.LOGS,),
)

__all__ = ["FOOTPRINT", "RECORD"]
