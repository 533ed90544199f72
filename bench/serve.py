"""Tandem's nginx with its configuration, and Debian's package with its own, on the same machine.

    python -m bench.serve [--quick] [--repeats 5] [--report DIR]

wrk asks for one small static page over HTTP, then over TLS: requests per second, p99, and what
nginx computes per request, both sides in turns, each as often the first as the second. And what
10,000 idle connections cost in memory.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machinery.bench_command import (
    ROOT,
    CannotMeasure,
    Measured,
    Options,
    conduct,
    options,
    say,
)
from bench.machinery.bench_lab import INVENTORY, Twin, as_words, lab_of
from bench.machinery.drilled import drilled
from bench.report.measured import Better, Row, Series, at_most, times

NAME = "serve"
TITLE = "a static page by Tandem's nginx and by Debian's, on the same machine"
THREADS, CONNECTIONS = 2, 64
# Many short runs in turns: whatever else the machine has to do meets both sides.
SECONDS, RUNS_PER_REPEAT = 4, 3
# Debian's package is installed on the other one, for it would take the place of Tandem's.
NODE, BARE_NODE = "host1", "host2"
IDLE, QUICK_IDLE = 10_000, 1_000
IDLE_WORKER_CONNECTIONS = 8192
IDLE_LIMIT_KB = 2.5
CA = ROOT / ".lab" / "ca"
INSTALL = (
    "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && "
    "apt-get -qq install -y --no-install-recommends nginx >/dev/null"
)
CERTIFICATE = """\
ssl_certificate /etc/nginx/web.pem;
ssl_certificate_key /etc/nginx/web.key;
"""
PAGE = "/var/www/html/index.html"
DEBIANS_FILES = f"usr/sbin/nginx etc/nginx .{PAGE}"
# As the package has it, with TLS where its site has a comment for that; but for its ports and the
# directories of its configuration and its logs.
START_BESIDE = """\
cd /opt/debians && base64 -d | tar -xzf - && mkdir -p /opt/debians/log /var/www /var/lib/nginx &&
cp -r var/www/html /var/www/ && cd etc/nginx &&
sed -i 's,/etc/nginx/,/opt/debians&,; s,/var/log/nginx/,/opt/debians/log/,' nginx.conf conf.d/* &&
sed -i -E 's/^(\\s*listen .*)\\b80\\b/\\18080/; s/# (listen )443( ssl)/\\18443\\2/' \\
    sites-available/default && grep -q '^[^#]*8443 ssl' sites-available/default &&
ln -sf ../sites-available/default sites-enabled/default &&
systemd-run --quiet --unit debians --property Type=forking --property PIDFile=/run/nginx.pid \\
    /opt/debians/usr/sbin/nginx -c /opt/debians/etc/nginx/nginx.conf -e /opt/debians/log/error.log
"""


@dataclass(frozen=True)
class Side:
    """One of the two: where it listens, and the pid file that tells which processes are its."""

    who: str
    ports: dict[str, int]
    pid_file: str

    @property
    def cpu(self) -> str:
        """Prints the hundredths of a second that it has computed."""
        return (
            f"read pid <{self.pid_file}; for each in $pid $(cat /proc/$pid/task/$pid/children); "
            "do cat /proc/$each/stat; done | awk '{ s += $14 + $15 } END { print s }'"
        )


OURS = Side("Tandem's", {"http": 80, "https": 443}, "/run/nginx/nginx.pid")
DEBIANS = Side("Debian's", {"http": 8080, "https": 8443}, "/run/nginx.pid")
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """One run of wrk."""

    per_s: float
    p99_ms: float
    requests: int


# With the microseconds that nginx has computed per request.
Loaded = tuple[Load, float]


def measure(given: Options, found: Measured) -> None:
    if not shutil.which("wrk"):
        raise CannotMeasure("wrk is missing: apt-get install wrk")
    found.notes.append(
        f"wrk with {THREADS} threads and {CONNECTIONS} connections runs on the same CPUs as nginx; "
        "both sides write an access log."
    )
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        twin.deploy()
        twin.settle()
        idle = _idle(twin, Path(directory), given)
        tls = _certificate(twin)
        twin.deploy()
        _have_debians(twin, page=twin.ssh(NODE, "cat /usr/html/index.html"))
        say("A static page, in turns")
        found.rows += _rows("static page", *_loaded(twin, "http", given))
        twin.pyinfra("-y", "--limit", NODE, INVENTORY, "deploy.py", *as_words(tls))
        say("A static page over TLS, in turns")
        found.rows += _rows("static page, TLS", *_loaded(twin, "https", given))
        found.rows += idle
        twin.wipe()  # whoever is next finds nothing of Debian's


def _certificate(twin: Twin) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "ca", *(machine.address for machine in twin.lab.machines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CannotMeasure(f"lab ca: {done.stderr.strip()}")
    return f"tls_certificate={CA / 'web.pem'}", f"tls_key={CA / 'web.key'}"


def _have_debians(twin: Twin, page: str) -> None:
    """Debian's package beside Tandem's nginx, with the same page and certificate."""
    say("Debian's nginx beside Tandem's")
    contents = {
        PAGE: page,
        "/etc/nginx/conf.d/tls.conf": CERTIFICATE,
        "/etc/nginx/web.pem": (CA / "web.pem").read_text(),
        "/etc/nginx/web.key": (CA / "web.key").read_text(),
    }
    twin.wipe(BARE_NODE)
    twin.ssh(BARE_NODE, INSTALL)
    for place, content in contents.items():
        _hand_in(twin, BARE_NODE, f"umask 022; cat >{place}", content)
    packed = twin.ssh(BARE_NODE, f"nginx -t && tar -C / -czhf - {DEBIANS_FILES} | base64")
    _hand_in(twin, NODE, f"mkdir -p /opt/debians && {START_BESIDE}", packed)


def _hand_in(twin: Twin, name: str, script: str, text: str) -> None:
    done = twin.lab.ssh(name, script, input=text)
    if done.returncode:
        raise CannotMeasure(f"{name}: `{script}`: {done.stderr.strip()}")


def _loaded(twin: Twin, scheme: str, given: Options) -> tuple[list[Loaded], list[Loaded]]:
    """Tandem's and Debian's runs of wrk, taken in turns, each as often the first as the second."""
    count = given.repeats * (1 if given.quick else RUNS_PER_REPEAT)
    runs: dict[str, list[Loaded]] = {OURS.who: [], DEBIANS.who: []}
    for side in (OURS, DEBIANS):
        _load(twin, scheme, side)  # warm
    for turn in range(count):
        for side in (OURS, DEBIANS) if turn % 2 else (DEBIANS, OURS):
            runs[side.who].append(_load(twin, scheme, side))
    return runs[OURS.who], runs[DEBIANS.who]


def _load(twin: Twin, scheme: str, side: Side) -> Loaded:
    words = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", "--latency", f"-d{SECONDS}s"]
    url = f"{scheme}://{twin.lab.machine(NODE).address}:{side.ports[scheme]}/"
    before = float(twin.ssh(NODE, side.cpu))
    load = parse(twin.run([*words, url]).output)
    return load, (float(twin.ssh(NODE, side.cpu)) - before) * 10_000 / load.requests


def parse(text: str) -> Load:
    """What `wrk --latency` prints. Raises `CannotMeasure` where answers were not what was asked."""
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    requests = re.search(r"(\d+) requests in", text)
    if "Non-2xx" in text or not (per_s and p99 and requests) or not int(requests[1]):
        raise CannotMeasure(f"wrk: {text.strip()[-500:]}")
    return Load(float(per_s[1]), float(p99[1]) * UNITS_MS[p99[2]], int(requests[1]))


def _rows(what: str, ours: Sequence[Loaded], theirs: Sequence[Loaded]) -> list[Row]:
    def series(unit: str, *values: Sequence[float]) -> list[Series]:
        return [
            Series(who, unit, tuple(round(one, 3) for one in each))
            for who, each in zip((OURS.who, DEBIANS.who), values, strict=True)
        ]

    rates = series("requests/s", *([load.per_s for load, _ in side] for side in (ours, theirs)))
    tails = series("ms", *([load.p99_ms for load, _ in side] for side in (ours, theirs)))
    costs = series("µs", *([cost for _, cost in side] for side in (ours, theirs)))
    return [
        Row(f"{what}: throughput", rates[0], rates[1], times(1), Better.HIGHER),
        Row(f"{what}: p99", tails[0], tails[1], times(1)),
        Row(f"{what}: CPU per request", costs[0], costs[1]),
    ]


def _idle(twin: Twin, directory: Path, given: Options) -> list[Row]:
    """The drill with idle connections, and what it says of memory."""
    idle, hold_s = (QUICK_IDLE, 5) if given.quick else (IDLE, 60)
    more = f"worker_connections={IDLE_WORKER_CONNECTIONS}"
    say(f"{idle} idle connections")
    twin.deploy(more, "keepalive_timeout_s=75")
    told = (more, "keepalive_timeout_s=75", "drills=idle-connections", "repeats=1")
    report = drilled(twin, "drill.py", *told, f"idle={idle}", f"hold={hold_s}", report=directory)
    notes = " ".join(note for drill in report.drills for one in drill.repeats for note in one.notes)
    said = re.search(r"per connection nginx ([\d.]+) kB .*kernel ([\d.]+) kB", notes)
    if not said:
        raise CannotMeasure(f"idle connections: {notes or report.drills[0].reasons}")
    own, kernel = (Series(OURS.who, "kB", (float(said[place]),)) for place in (1, 2))
    return [
        Row(f"{idle} idle connections: nginx, each", own, goal=at_most(IDLE_LIMIT_KB)),
        Row(f"{idle} idle connections: the kernel, each", kernel, note="Both ends of each."),
    ]


if __name__ == "__main__":
    sys.exit(conduct(NAME, TITLE, measure, options()))
