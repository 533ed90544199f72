"""What a machine shows: its files, its services and the VIP; and how two photographs differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab.twin import Lab

_SNAPSHOT = (Path(__file__).parents[1] / "machine_snapshot.py").read_text()
SERVICES = (
    *("nginx", "keepalived", "tandem-watch", "tandem-handover", "tandem-metrics"),
    "prometheus-nginx-exporter",
)
_AS_SYSTEMD_SAYS = f"""
for it in {" ".join(SERVICES)}; do
    eval "$(systemctl show $it -p ActiveState -p MainPID -p InvocationID)"
    workers=$([ $it != nginx ] || pgrep -P $MainPID | sort | tr '\\n' +)
    read=$(journalctl -u $it -o cat 2>/dev/null | grep -c "^Reloaded $it.service")
    echo "SERVICE $it $ActiveState $MainPID ${{InvocationID:--}} ${{workers:--}} $read"
done
echo "MASTER $(journalctl -u keepalived -o cat 2>/dev/null | grep -c 'Entering MASTER STATE')"
"""
_FILE = re.compile(r"(?:FILE|LINK) (\S+) (.*)")
# What machines write by themselves, and what a run writes down of itself.
_PASSING = re.compile(r"/run/|/var/log/|/var/tmp/systemd-private-|/var/lib/systemd/|/var/cache/")
_RECORDS = re.compile(
    r"/var/lib/tandem/(?:deploys\.jsonl|generations/|nginx/|keepalived/|packages|install|kept)"
)


class ServiceShown(NamedTuple):
    """A service as systemd and the kernel show it.

    + invocation: of its start; workers: nginx's children; reloads: how often it has reloaded.
    """

    active: bool
    process: int
    invocation: str
    workers: str
    reloads: int

    def deed(self, after: ServiceShown) -> str:
        """What was done to it in between, as plans call it; "" for nothing."""
        if self.active != after.active:
            return "start" if after.active else "stop"
        if self.invocation != after.invocation:
            return "restart"
        if self.process != after.process:
            return "upgrade"
        return "reload" if self[3:] != after[3:] else ""


@dataclass(frozen=True)
class Photograph:
    """One machine.

    + lines: as machine_snapshot.py has them. masters: how often it has taken the VIPs.
    """

    lines: frozenset[str]
    services: Mapping[str, ServiceShown]
    masters: int

    @property
    def files(self) -> dict[str, str]:
        """What is at each path, and passes by no means by itself."""
        found = (_FILE.fullmatch(line) for line in self.lines)
        return {each[1]: each[2] for each in found if each and not _PASSING.match(each[1])}

    def holds(self, address: str) -> bool:
        """Whether it has `address` on an interface that others reach."""
        shown = re.compile(rf"ADDRESS \d+: (?!lo )\S+ +inet6? {re.escape(address)}/")
        return any(shown.match(line) for line in self.lines)

    def changed(self, after: Photograph) -> frozenset[str]:
        """Paths whose file is another one afterwards, but for what runs write of themselves."""
        one, two = self.files, after.files
        differs = {path for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
        return frozenset(path for path in differs if not _RECORDS.match(path))

    def deeds(self, after: Photograph) -> dict[str, str]:
        """What was done to services."""
        every = {name: shown.deed(after.services[name]) for name, shown in self.services.items()}
        return {name: deed for name, deed in every.items() if deed}


def take(lab: Lab, names: Iterable[str]) -> dict[str, Photograph]:
    """A photograph of each machine, at about the same time."""
    names = list(names)
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: _one(lab, name), names), strict=True))


def _one(lab: Lab, name: str) -> Photograph:
    snapshot = lab.ssh(name, "python3 -", input=_SNAPSHOT)
    said = lab.ssh(name, _AS_SYSTEMD_SAYS)
    assert snapshot.returncode == said.returncode == 0, snapshot.stderr + said.stderr
    words = [line.split() for line in said.stdout.splitlines()]
    return Photograph(
        frozenset(snapshot.stdout.splitlines()),
        {
            name: ServiceShown(active == "active", int(pid), began, workers, int(reloads))
            for kind, name, active, pid, began, workers, reloads in (
                each for each in words if each[0] == "SERVICE"
            )
        },
        next(int(each[1]) for each in words if each[0] == "MASTER"),
    )
