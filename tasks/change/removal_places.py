"""Where deploys place what they bring, by concern: what teardown.py removes.

A task that places something new names its place here, or below one of the trees; a test compares
this with what a deploy places.
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from settings import Node
from tasks.change import vip_move
from tasks.keepalived import configuration
from tasks.machine import account, clock
from tasks.machine.survey import shell
from tasks.metrics import exporters
from tasks.nginx import service
from tasks.nginx.source_build import REMOTE


@dataclass(frozen=True)
class Places:
    """Files (patterns of a shell), whole trees, and directories that go when they are empty and no
    package's.

    `links` go only if they lead below /usr/lib/tandem, `marked` files only if they say that a
    deploy has written them: their places are a package's.
    """

    files: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()

    def cover(self, path: str) -> bool:
        """Whether `path` goes with these."""
        inside = any(path == tree or path.startswith(f"{tree}/") for tree in self.trees)
        named = (*self.files, *self.directories, *self.links, *self.marked)
        return inside or any(fnmatch(path, pattern) for pattern in named)


KEEPALIVED = Places(
    files=(
        "/etc/keepalived/keepalived.conf",
        "/etc/keepalived/notify.sh",
        configuration.SPEAKERS,
        vip_move.DOWN,
        "/etc/systemd/system/keepalived.service.d/tandem.conf",
        # keepalived's own (2.3): its name for `ip route` to show.
        "/etc/iproute2/rt_addrprotos.d/keepalived.conf",
    ),
    trees=("/run/keepalived",),
    marked=("/etc/default/keepalived", "/etc/sysconfig/keepalived"),
    directories=(
        "/etc/systemd/system/keepalived.service.d",
        "/etc/iproute2/rt_addrprotos.d",
        "/etc/iproute2",
    ),
)
HANDOVER = Places(
    files=(
        "/etc/systemd/system/tandem-handover.service",
        "/etc/init.d/tandem-handover",
        "/run/tandem-handover.*",
    ),
    trees=("/etc/tandem", "/run/tandem-handover", "/var/lib/tandem-handover"),
)
WATCH = Places(
    files=(
        "/etc/systemd/system/tandem-watch.service",
        "/etc/init.d/tandem-watch",
        "/run/tandem-watch.*",
    ),
    # (Its service makes the last one where there is no systemd, and keeps nothing there.)
    trees=("/run/tandem", "/run/tandem-watch", "/var/lib/tandem-watch"),
)
# Besides these, what the manifest of deploys names below /etc/nginx. Whatever else is in the
# directories is somebody's own, and stays.
NGINX = Places(
    files=(
        "/etc/nginx/nginx.conf",
        "/etc/nginx/mime.types",
        "/usr/html/index.html",
        "/etc/systemd/system/nginx.service",
        "/etc/init.d/nginx",
        "/etc/logrotate.d/nginx",
        "/run/nginx.lock",
    ),
    trees=("/run/nginx", "/var/tmp/nginx", "/var/cache/nginx"),
    directories=(
        *("/etc/nginx/conf.d", "/etc/nginx/tls", "/etc/nginx"),
        *("/usr/html/.well-known/acme-challenge", "/usr/html/.well-known", "/usr/html"),
        account.LOGS,
    ),
    links=("/usr/sbin/nginx",),
)


def of_nginx(node: Node) -> Places:
    """`NGINX`, with a cache that is elsewhere."""
    cache = (node.cache.path,) if node.cache else ()
    return replace(NGINX, trees=(*NGINX.trees, *cache))


# What several concerns have in common, and what is told to others by files of ours in their places.
SHARED = Places(
    files=(
        "/etc/tmpfiles.d/tandem-*.conf",
        "/etc/sysctl.d/*-tandem-*.conf",
        "/etc/logrotate.d/tandem",
        clock.SOURCES,
    ),
    trees=("/usr/lib/tandem", REMOTE, "/var/log/tandem"),
    directories=("/etc/tmpfiles.d",),
)
# `metrics.absent` takes them away; here they are only known.
METRICS = Places(
    files=("/etc/systemd/system/tandem-metrics.service", exporters.DROP_IN),
    directories=(exporters.DROP_IN.rpartition("/")[0],),
)
# The last: as long as it is there, a machine is known to be ours.
RECORD = Places(trees=("/var/lib/tandem",))

EVERY = (KEEPALIVED, HANDOVER, WATCH, NGINX, METRICS, SHARED, RECORD)
MANIFEST = f"{service.HOME}/manifest"
# What a machine has that is ours. Without these it is nobody's business what else is there.
IS_OURS = "{ [ -e /usr/lib/tandem ] || [ -e /var/lib/tandem ]; }"


# Whether a directory is to be left: it is not there, not empty, or a package's.
STAYS = (
    '[ ! -d {0} ] || [ -n "$(ls -A {0})" ] || dpkg -S {0} >/dev/null 2>&1 || '
    "rpm -qf {0} >/dev/null 2>&1"
)


def covered(path: str) -> bool:
    """Whether something removes `path`."""
    return any(places.cover(path) for places in EVERY)


def _questions(places: Places) -> Iterator[str]:
    for pattern in places.files:
        directory, name = posixpath.split(pattern)
        # And what a deploy that was killed has left beside it.
        yield f'for it in {pattern} {directory}/.{name}.new; do [ ! -f "$it" ] || echo "$it"; done'
    for marked in places.marked:
        yield f'! grep -q "Written by Tandem\'s deploy" {marked} || echo {marked}'
    for tree in places.trees:
        yield f'[ ! -e {tree} ] || echo "{tree}"'
    for directory in places.directories:
        yield f"{STAYS.format(directory)} || echo {directory}"
    for link in places.links:
        yield (
            f'for it in {link} {link}.new; do case "$(readlink "$it")" in /usr/lib/tandem/*) '
            'echo "$it" ;; esac; done'
        )


class There(FactBase[list[str]]):
    """What is there of some places, on a machine that is ours."""

    default = list

    def command(self, places: Places) -> str:
        questions = "; ".join(_questions(places))
        if places.files == NGINX.files:
            questions += (
                f"; while read -r name; do for it in /etc/nginx/$name; do "
                f'[ ! -f "$it" ] || echo "$it"; done; done <{MANIFEST}'
            )
        return f"if {IS_OURS}; then {{ {questions}; }} 2>/dev/null; fi; true"

    def process(self, output: list[str]) -> list[str]:
        return list(dict.fromkeys(output))


@operation()
def gone(places: Places) -> Generator[StringCommand, None, None]:
    """Remove them."""
    found = batched_facts.rolling.get(There, places=places)
    if not found:
        host.noop("nothing of it is there")
        return
    batched_facts.invalidate()
    removed = [path for path in found if path not in places.directories]
    if removed:
        yield StringCommand(shell("rm", "-rf", "--", *removed))
    if places.directories:
        # From the inside out. What is somebody's own keeps them.
        for directory in places.directories:
            yield StringCommand(f"{STAYS.format(directory)} || rmdir {directory}")
