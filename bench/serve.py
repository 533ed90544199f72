"""Tandem's nginx with its configuration, and Debian's package with its own, on the same machine.

    python -m bench.serve [--quick] [--repeats 5] [--report DIR]

wrk asks for one small static page over HTTP, then over TLS: requests per second, p99, and what
nginx computes per request, both sides in turns, each as often the first as the second. And the
memory that 10,000 idle connections take.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_drills import run_drills
from bench.machinery.bench_lab import INVENTORY, Twin, data_options, lab_of
from bench.report.bench_result import Better, Comparison, Series, at_most, times
from lab.gateway.authority import Issued, issue

THREADS, CONNECTIONS = 2, 64
# Many short runs, alternating, so that other load on this computer affects both sides.
SECONDS, RUNS_PER_REPEAT = 4, 3
# Debian's package is installed on the second machine: on the first it would replace Tandem's.
NODE, BARE_NODE = "host1", "host2"
IDLE, QUICK_IDLE = 10_000, 1_000
IDLE_WORKER_CONNECTIONS = 8192
IDLE_LIMIT_KB = 2.5
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
# The package's own configuration, with TLS where its default site has a comment for it; only the
# ports and the directories of configuration and logs differ.
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
    """One of the two nginx: its ports by scheme, and the pid file of its master."""

    who: str
    ports: dict[str, int]
    pid_file: str

    @property
    def cpu(self) -> str:
        """A script that prints its CPU time in hundredths of a second."""
        return (
            f"read pid <{self.pid_file}; for each in $pid $(cat /proc/$pid/task/$pid/children); "
            "do cat /proc/$each/stat; done | awk '{ s += $14 + $15 } END { print s }'"
        )


OURS = Side("Tandem's", {"http": 80, "https": 443}, "/run/nginx/nginx.pid")
DEBIANS = Side("Debian's", {"http": 8080, "https": 8443}, "/run/nginx.pid")
# Of what is measured of one run: throughput, 99th percentile, nginx's CPU time per request.
UNITS = ("requests/s", "ms", "µs")
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def measure(options: Options, measured: Measurements) -> None:
    """Measure both nginx under load, and the memory of idle connections."""
    if not shutil.which("wrk"):
        raise CannotMeasure("wrk is missing: apt-get install wrk")
    measured.notes.append(
        f"wrk with {THREADS} threads and {CONNECTIONS} connections runs on the same CPUs as nginx; "
        "both sides write an access log."
    )
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        twin.deploy()
        twin.wait_until_healthy()
        idle = _idle(twin, Path(directory), options)
        tls = issue(twin.lab.state.root, [machine.address for machine in twin.lab.machines])
        twin.deploy()
        try:
            _install_debians(twin, tls, page=twin.ssh(NODE, "cat /usr/html/index.html"))
            measured.rows += _static_page(twin, "static page", "http", options)
            data = data_options((f"tls_certificate={tls.certificate}", f"tls_key={tls.key}"))
            twin.pyinfra("-y", "--limit", NODE, INVENTORY, "deploy.py", *data)
            measured.rows += _static_page(twin, "static page, TLS", "https", options)
            measured.rows += idle
        finally:
            twin.wipe()  # the next bench must not find Debian's package


def _install_debians(twin: Twin, tls: Issued, page: str) -> None:
    """Run Debian's nginx beside Tandem's, with the same page and certificate."""
    progress("Debian's nginx beside Tandem's")
    contents = {
        PAGE: page,
        "/etc/nginx/conf.d/tls.conf": CERTIFICATE,
        "/etc/nginx/web.pem": tls.certificate.read_text(),
        "/etc/nginx/web.key": tls.key.read_text(),
    }
    twin.wipe(BARE_NODE)
    twin.ssh(BARE_NODE, INSTALL)
    for path, content in contents.items():
        twin.ssh(BARE_NODE, f"umask 022; cat >{path}", content)
    packed = twin.ssh(BARE_NODE, f"nginx -t && tar -C / -czhf - {DEBIANS_FILES} | base64")
    twin.ssh(NODE, f"mkdir -p /opt/debians && {START_BESIDE}", packed)


def _static_page(twin: Twin, what: str, scheme: str, options: Options) -> list[Comparison]:
    """Tandem's and Debian's runs of wrk, alternating, each first in half of the turns."""
    progress(f"{what}, alternating")
    count = options.repeats * (1 if options.quick else RUNS_PER_REPEAT)
    runs: dict[str, list[tuple[float, ...]]] = {OURS.who: [], DEBIANS.who: []}
    for side in (OURS, DEBIANS):
        _load(twin, scheme, side)  # warm
    for turn in range(count):
        for side in (OURS, DEBIANS) if turn % 2 else (DEBIANS, OURS):
            runs[side.who].append(_load(twin, scheme, side))
    ours, theirs = (
        [
            Series(who, unit, tuple(round(value, 3) for value in values))
            for unit, values in zip(UNITS, zip(*samples, strict=True), strict=True)
        ]
        for who, samples in runs.items()
    )
    return [
        Comparison(f"{what}: throughput", ours[0], theirs[0], times(1), Better.HIGHER),
        Comparison(f"{what}: p99", ours[1], theirs[1], times(1)),
        Comparison(f"{what}: CPU per request", ours[2], theirs[2]),
    ]


def _load(twin: Twin, scheme: str, side: Side) -> tuple[float, ...]:
    """Run wrk; what `UNITS` are of."""
    words = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", "--latency", f"-d{SECONDS}s"]
    url = f"{scheme}://{twin.lab.machine(NODE).address}:{side.ports[scheme]}/"
    before = float(twin.ssh(NODE, side.cpu))
    per_s, p99_ms, requests = parse(twin.run([*words, url]).output)
    return per_s, p99_ms, (float(twin.ssh(NODE, side.cpu)) - before) * 10_000 / requests


def parse(text: str) -> tuple[float, float, int]:
    """Requests per second, 99th percentile in ms, and requests, of the output of `wrk --latency`.

    Raises `CannotMeasure` if there were error answers.
    """
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    requests = re.search(r"(\d+) requests in", text)
    if "Non-2xx" in text or not (per_s and p99 and requests) or not int(requests[1]):
        raise CannotMeasure(f"wrk: {text.strip()[-500:]}")
    return float(per_s[1]), float(p99[1]) * UNITS_MS[p99[2]], int(requests[1])


def _idle(twin: Twin, directory: Path, options: Options) -> list[Comparison]:
    """Memory per idle connection, from the notes of that drill."""
    idle, hold_s = (QUICK_IDLE, 5) if options.quick else (IDLE, 60)
    workers = f"worker_connections={IDLE_WORKER_CONNECTIONS}"
    progress(f"{idle} idle connections")
    twin.deploy(workers, "keepalive_timeout_s=75")
    data = (workers, "keepalive_timeout_s=75", "drills=idle-connections", "repeats=1")
    report = run_drills(twin, "drill.py", *data, f"idle={idle}", f"hold={hold_s}", report=directory)
    notes = " ".join(note for drill in report.drills for one in drill.repeats for note in one.notes)
    found = re.search(r"per connection nginx ([\d.]+) kB .*kernel ([\d.]+) kB", notes)
    if not found:
        raise CannotMeasure(f"idle connections: {notes or report.drills[0].reasons}")
    own, kernel = (Series(OURS.who, "kB", (float(found[group]),)) for group in (1, 2))
    return [
        Comparison(f"{idle} idle connections: nginx, each", own, goal=at_most(IDLE_LIMIT_KB)),
        Comparison(f"{idle} idle connections: the kernel, each", kernel, note="Both ends of each."),
    ]


if __name__ == "__main__":
    run_bench("a static page by Tandem's nginx and by Debian's, on the same machine", measure)
