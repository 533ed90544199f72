"""Where the parts of nginx are on a machine."""

import os

STATE = "/var/lib/tandem/nginx"
BUILDS = "/usr/lib/tandem/nginx"
# Each names a generation of nginx that a rollback may want (deploy_record).
INDEXES = "/var/lib/tandem/generations/*.json"
BINARY = "/usr/sbin/nginx"
ETC = "/etc/nginx"
# What describes the service to the init system of this machine.
UNIT, UNIT_MODE = (
    ("/etc/systemd/system/nginx.service", 0o644)
    if os.path.isdir("/run/systemd/system")
    else ("/etc/init.d/nginx", 0o755)
)
PID_FILE = "/run/nginx/nginx.pid"
# During a hot upgrade nginx keeps the pid of the old master here.
OLD_PID_FILE = PID_FILE + ".oldbin"
LOGS = "/var/log/nginx"
# Of the workers.
GROUP = "nginx"
# A person's own: pieces that nginx.conf includes, and what they need, which its workers read.
PIECES = ("main.d", "http.d", "conf.d", "stream.d", "server.d", "server.d/*")
FILES = "files"
ERROR_LOG = LOGS + "/error.log"


def in_state(*names):
    return os.path.join(STATE, *names)


def in_etc(*names):
    return os.path.join(ETC, *names)
