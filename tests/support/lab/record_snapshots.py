"""Records on real machines the snapshots that the unit tests judge: tests/support/snapshots/*.json.

    .venv/bin/lab down; .venv/bin/lab up tests/support/inventories/ipv6_pair.py
    .venv/bin/lab run -- .venv/bin/python -m tests.support.lab.record_snapshots
    .venv/bin/lab down; .venv/bin/lab up tests/support/inventories/two_networks.py
    .venv/bin/lab run -- .venv/bin/python -m tests.support.lab.record_snapshots two-networks
    .venv/bin/lab down; .venv/bin/lab up tests/support/inventories/routed_pair.py
    .venv/bin/lab run -- .venv/bin/python -m tests.support.lab.record_snapshots routed
    .venv/bin/lab down

Five minutes. The machines have to be bare, and are asked as such; then each profile is deployed
over the one before, and verified until it is healthy. With names (bare, healthy, …) after the
command: only those; two-networks and routed have machines of their own. What is written has nothing
of the machine that this runs on, and every answer is still as long as was noted with it: one that
is not counts as half an answer. To be run again when a probe is added or changes: the unit tests
then say what else has changed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lab.gateway import authority
from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, ROOT, keep_artifacts, lend_artifacts
from tests.support.lab.pair import wait_until
from verify.observe.probe import whole

INVENTORY = "tests/support/inventories/ipv6_pair.py"
SAMPLES = ROOT / "tests" / "support" / "snapshots"
SITE = "www.example.org"
# What this machine is called meanwhile: machines write down who has deployed.
CONTROLLER = "control"
RENAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', CONTROLLER)
CLASSIC = {"vrrp_version": 2}
SERVER, SERVER_PORT = "172.16.0.1", "8101"
# What `everything` has besides: what is only asked for where it is switched on.
EVERYTHING = {
    "metrics": True,
    # The second machine may read, the first may not.
    "metrics_allow": ["172.16.12.62/32"],
    "upstreams": {"app": {"servers": [f"{SERVER}:{SERVER_PORT}"]}},
    "proxy": {"/app/": "app"},
    "streams": {
        "app": {"listen": 8102, "to": "app", "tls": True},
        "names": {"listen": 5353, "protocol": "udp", "to": [f"{SERVER}:53"]},
    },
    "cache": {"size_mb": 64},
    "client_limits": {"new_connections_per_s": 100},
    "sites": [{"server_names": [SITE], "page": "a site"}],
    "hooks": "tests/support/hooks",
}
WITH_VIP6 = "healthy-everything"
NETWORKS = "tests/support/inventories/two_networks.py"
TWO_NETWORKS = "two-networks"
ROUTED_PAIR = "tests/support/inventories/routed_pair.py"
ROUTED = "routed"
SEVERAL = {"more_vips": {"172.16.12.253/16": "host2", "fd61:1::252/64": "host2"}}


def profiles(certificate: Path, key: Path) -> dict[str, Mapping[str, object]]:
    """The settings of each deployed snapshot, by the name of its file, in the order of deploys."""
    tls = {"tls_certificate": str(certificate), "tls_key": str(key)}
    return {
        "healthy-default": {},
        "healthy-several-vips": SEVERAL,
        WITH_VIP6: EVERYTHING | tls,
        "healthy": CLASSIC,
    }


def main(wanted: list[str]) -> None:
    """Raises SystemExit where the machines are not bare, or do not become healthy."""
    lab = Lab.load()
    lend_artifacts(lab)
    issued = authority.issue(lab.state.root, (SITE, "172.16.12.254"))
    if wanted == [TWO_NETWORKS]:
        # The first VIP is on eth0 and its VRRP on eth1, where the second has both.
        apart = {"vrrp_interface": "eth1"}
        run("-y", NETWORKS, "deploy.py", *data(apart))
        write(f"healthy-{TWO_NETWORKS}", gathered(apart, NETWORKS, wait=True), issued)
        return
    if wanted == [ROUTED]:
        run("-y", ROUTED_PAIR, "deploy.py")
        write(f"healthy-{ROUTED}", gathered({}, ROUTED_PAIR, wait=True), issued)
        return
    if not wanted or "bare" in wanted:
        if lab.ssh("host1", "test -e /usr/sbin/nginx").returncode == 0:
            sys.exit("The machines are not bare. First: lab down, and lab up (see above)")
        os.environ["VIP6"] = ""
        write("bare", gathered(CLASSIC), issued)
    for name, settings in profiles(issued.certificate, issued.key).items():
        if not wanted or name in wanted:
            os.environ["VIP6"] = "yes" if name == WITH_VIP6 else ""
            run("-y", INVENTORY, "deploy.py", *data(settings))
            keep_artifacts(lab)
            with upstream() if "upstreams" in settings else nullcontext():
                gathering = gathered(settings, wait=True)
            write(name, gathering, issued)


@contextmanager
def upstream() -> Iterator[None]:
    """The server behind nginx answers, in the lab's network, in which this runs."""
    with tempfile.TemporaryDirectory() as place:
        words = ("-m", "http.server", SERVER_PORT, "--bind", SERVER, "--directory", place)
        process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(answers, 10)
            yield
        finally:
            process.terminate()
            process.wait()


def answers() -> bool:
    try:
        socket.create_connection((SERVER, int(SERVER_PORT)), 1).close()
    except OSError:
        return False
    return True


def data(settings: Mapping[str, object]) -> list[str]:
    """Settings as pyinfra takes them on its command line."""
    pairs = (
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in settings.items()
    )
    return [word for pair in pairs for word in ("--data", pair)]


def gathered(
    settings: Mapping[str, object], inventory: str = INVENTORY, *, wait: bool = False
) -> str:
    """The verifier's gathering.json, of machines that are healthy, or bare."""
    with tempfile.TemporaryDirectory() as place:
        options = {"report": place} | ({"wait": 30} if wait else {})
        run(inventory, "verify.py", *data({**settings, **options}), may_fail=not wait)
        return (Path(place) / "gathering.json").read_text()


def run(*words: str, may_fail: bool = False) -> None:
    print("pyinfra", *words, flush=True)
    done = subprocess.run(
        [*RENAMED, PYINFRA, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode and not may_fail:
        sys.exit(done.stdout)


def write(name: str, gathering: str, issued: authority.Issued) -> None:
    """Without a word about this machine. Raises SystemExit where one is left."""
    kernel = platform.release()
    words = {
        str(issued.certificate): "web.pem",
        str(issued.key): "web.key",
        kernel: "6.1.0-0-amd64",
    }
    found: dict[str, Any] = without(json.loads(gathering), words)
    gathering = json.dumps(found, ensure_ascii=False, indent=1)
    for told in (kernel, str(ROOT), f"@{socket.gethostname()}"):
        if re.search(rf"{re.escape(told)}\b", gathering):
            sys.exit(f"{name}.json would tell {told!r}")
    (SAMPLES / f"{name}.json").write_text(gathering + "\n")
    sections = found["looks"]["host1"]["sections"]
    if "metrics_table" in sections:
        table = whole(sections["metrics_table"]["text"])
        (SAMPLES / "metrics-table.json").write_text(table + "\n")


def without(value: Any, words: Mapping[str, str]) -> Any:
    """With other words for these; an answer's length is noted anew where that was true before."""
    if isinstance(value, str):
        for word, other in words.items():
            value = value.replace(word, other)
        return value
    if isinstance(value, list):
        return [without(each, words) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: without(each, words) for name, each in value.items()}
    if value.get("length") is not None and value["length"] == len(value["text"]):
        found["length"] = len(found["text"])
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
