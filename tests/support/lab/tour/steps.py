"""A step of the tour: what its plan says beforehand is what the run then does to the machines."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from lab.twin import Lab
from tests.support.lab.deployment import Done
from tests.support.lab.own_lab import pyinfra
from tests.support.lab.tour import photographs, told
from tests.support.lab.tour.newcomer import HOSTS, VIP
from tests.support.lab.tour.photographs import Photograph
from tests.support.lab.tour.told import PlannedChanges

# What else changes on a machine with a step of a plan that names no file, by how it begins.
_STEPS = {
    "Packages: ": r"/",
    "packages that came": r"/",
    "Account: ": r"/etc/(passwd|group|shadow|gshadow)",
    "user and group": r"/etc/(passwd|group|shadow|gshadow)",
    "Build: ": r"/usr/lib/tandem/nginx/|/usr/sbin/nginx",
    "nginx: upgrade": r"/usr/sbin/nginx",
    "nginx 1.": r"/usr/sbin/nginx|/usr/lib/tandem/nginx/",
    "site ": r"/var/lib/tandem/sites/",
    "Site ": r"/var/lib/tandem/sites/",
    "Sites: ": r"/var/lib/tandem/sites/",
    "drain": r"/etc/keepalived/down",
    "files of": r"/",
}


class Tour:
    """A lab, and what its machines have shown last.

    + checkout: the new operator's, which the steps are typed in.
    """

    def __init__(self, lab: Lab, checkout: Path):
        self.lab, self.checkout = lab, checkout
        self.seen: dict[str, Photograph] | None = None
        # The name of the generation that was in place before TLS was switched on.
        self.before_tls = ""

    def pyinfra(self, *words: str) -> Done:
        done = pyinfra(self.lab, *words)
        assert "Traceback" not in done.stdout, done.stdout
        return done

    def look(self) -> dict[str, Photograph]:
        """Photographs of all machines as they are, from which the next step begins."""
        self.seen = photographs.take(self.lab, HOSTS)
        return self.seen

    def step(self, *words: str, moves: int | None = None) -> Done:
        """Have a change planned, do it, and hold the plan to what the machines then show.

        + moves: how often the VIP moves by that, if the test knows it.
        """
        before = self.seen or self.look()
        dry = self.pyinfra("-y", "--dry", "inventory.py", *words)
        assert dry.returncode == 0, dry.stdout
        done = self.pyinfra("-y", "inventory.py", *words)
        assert done.returncode == 0, done.stdout
        after = self.look()
        both = f"{dry.stdout}\n{done.stdout}"
        would = told.would(dry.stdout)
        assert would == told.did(done.stdout), both
        plan = told.planned(dry.stdout)
        for name in HOSTS:
            wrong = untrue(plan.get(name, PlannedChanges()), before[name], after[name])
            assert not wrong, f"{name}: {wrong}\n{both}"
        # The first holder of all has it from nobody.
        if any(each.holds(VIP) for each in before.values()):
            moved = _masters(after) - _masters(before)
            assert told.moves(would) == moved, both
            assert moves in (None, moved), both
        return done

    def nothing_to_do(self, *words: str) -> Done:
        """A step of which nothing is planned, done or seen."""
        done = self.step(*words)  # without a plan nothing is explained
        assert told.did(done.stdout) == "", done.stdout
        return done

    def dry(self, *words: str, rc: int = 0) -> Done:
        """A dry run, after which every machine is as before."""
        before = self.seen or self.look()
        done = self.pyinfra("-y", "--dry", "inventory.py", *words)
        assert done.returncode == rc, done.stdout
        for name, each in self.look().items():
            assert not before[name].changed(each) and not before[name].deeds(each), name
        return done

    def on(self, name: str, command: str) -> str:
        done = self.lab.ssh(name, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def holders(self) -> list[str]:
        """Who has the VIP in the last photographs."""
        return [name for name, each in (self.seen or self.look()).items() if each.holds(VIP)]


def untrue(plan: PlannedChanges, before: Photograph, after: Photograph) -> list[str]:
    """What of the plan a machine does not show, and what it shows that is not in the plan."""
    changed, deeds = before.changed(after), before.deeds(after)
    wrong = [f"{path} was to change and is as it was" for path in plan.files - changed]
    told = {*plan.steps, *(f"{name}: {deed}" for name, deed in plan.services.items())}
    wrong += [f"{path} has changed" for path in _unexplained(changed - plan.files, told)]
    planned = {name: "stop" if it == "remove" else it for name, it in plan.services.items()}
    visible = {name: deed for name, deed in planned.items() if deed in VISIBLE}
    every = visible.keys() | deeds.keys()
    return sorted(wrong) + [
        f"{name}: {visible.get(name, 'nothing')} was planned, {deeds.get(name, 'nothing')} was done"
        for name in sorted(every)
        if visible.get(name) != deeds.get(name)
    ]


# Versions of sites that no kept generation has any more go at the end of a deploy; which of them is
# served, their link says.
_VERSIONS = re.compile(r"/var/lib/tandem/sites/[^/]+/[0-9a-f]+\.\d+(\.whole$|/)")
# Of the others a process shows nothing: daemon-reload, enable, confirm.
VISIBLE = ("start", "stop", "restart", "upgrade", "reload")


def _unexplained(paths: Collection[str], steps: Collection[str]) -> list[str]:
    meant = [at for begin, at in _STEPS.items() if any(step.startswith(begin) for step in steps)]
    unnamed = [path for path in paths if not _VERSIONS.match(path)]
    return [path for path in unnamed if not any(re.match(at, path) for at in meant)]


def _masters(shown: Mapping[str, Photograph]) -> int:
    return sum(each.masters for each in shown.values())
