"""Records on real machines the snapshots that the unit tests judge: tests/support/snapshots/*.json.

    .venv/bin/lab down; .venv/bin/lab up tests/support/inventories/ipv6_pair.py
    .venv/bin/lab run -- .venv/bin/python -m tests.support.lab.record_snapshots
    .venv/bin/lab down; .venv/bin/lab up tests/support/inventories/two_networks.py
    .venv/bin/lab run -- .venv/bin/python -m tests.support.lab.record_snapshots two-networks
    .venv/bin/lab down

Five minutes. The machines have to be bare, and are asked as such; then each profile is deployed
over the one before, and verified until it is healthy. With names (bare, healthy, …) after the
command: only those; two-networks has machines of its own. What is written has nothing of the
machine that this runs on. To be run again when a probe is added or changes: the unit tests then say
what else has changed.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.gateway import authority
from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, ROOT, keep_artifacts, lend_artifacts
from verify.observe.probe import whole

INVENTORY = "tests/support/inventories/ipv6_pair.py"
SAMPLES = ROOT / "tests" / "support" / "snapshots"
SITE = "www.example.org"
CLASSIC = {"vrrp_version": 2}
# What `everything` has besides: what is only asked for where it is switched on.
EVERYTHING = {
    "metrics": True,
    # The second machine may read, the first may not.
    "metrics_allow": ["172.16.12.62/32"],
    "upstreams": {"app": {"servers": ["172.16.0.1:8101"]}},
    "proxy": {"/app/": "app"},
    "cache": {"size_mb": 64},
    "sites": [{"server_names": [SITE], "page": "a site"}],
}
WITH_VIP6 = "healthy-everything"
NETWORKS = "tests/support/inventories/two_networks.py"
TWO_NETWORKS = "two-networks"
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
            write(name, gathered(settings, wait=True), issued)


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
        [PYINFRA, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode and not may_fail:
        sys.exit(done.stdout)


def write(name: str, gathering: str, issued: authority.Issued) -> None:
    """Without a word about this machine; what replaces one in an answer is as long as it was."""
    kernel = platform.release()
    words = {
        str(issued.certificate): "web.pem",
        str(issued.key): "web.key",
        kernel: "6.1.0-0-amd64".ljust(len(kernel), "0")[: len(kernel)],
    }
    for word, other in words.items():
        gathering = gathering.replace(word, other)
    gathering = _elsewhere(gathering)
    for told in (kernel, str(ROOT), socket.gethostname()):
        if re.search(rf"\b{re.escape(told)}\b", gathering):
            sys.exit(f"{name}.json would tell {told!r}")
    (SAMPLES / f"{name}.json").write_text(gathering + "\n")
    found: dict[str, Any] = json.loads(gathering)["looks"]["host1"]["sections"]
    if "metrics_table" in found:
        (SAMPLES / "metrics-table.json").write_text(whole(found["metrics_table"]["text"]) + "\n")


def _elsewhere(gathering: str) -> str:
    """The same, gathered by a machine called "control"; an answer that names it has another length
    then."""
    own = re.compile(rf"\b{re.escape(socket.gethostname())}\b")
    data: dict[str, Any] = json.loads(gathering)
    for look in data["looks"].values():
        for section in look["sections"].values():
            named = own.sub("control", section["text"])
            if "length" in section:
                section["length"] += len(named) - len(section["text"])
            section["text"] = named
    return own.sub("control", json.dumps(data, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
