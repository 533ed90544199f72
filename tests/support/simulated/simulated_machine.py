"""A machine of pyinfra's @fake connector with files, services and nginx's generations.

Programs of ours that decide are the real ones: running-state judges the files, apply-nginx's
`decide` says what nginx takes.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

from controller import rendering
from tests.support import programs

HOME = "/var/lib/tandem/nginx"
BROKEN = "broken;"
PRIORITY = re.compile(r" *priority +(\d+)")
SPEECH = re.compile(r" *(vrrp_version|virtual_router_id|unicast_src_ip) +(\S+)")
_WRITTEN = re.compile(r"&& chown (\S+):(\S+) \S+ && chmod (\d+) .*mv -fT \S+ (\S+) ", re.DOTALL)


class SimulatedFile(NamedTuple):
    """A file on it."""

    mode: str
    user: str
    group: str
    data: bytes


class SimulatedMachine:
    """`answer` carries out a command as far as a deploy can see it.

    + actions: what was done to services, in order, "nginx: reload".
    + holds: whether it has the VIP; drained: by a deploy; away: drained by a person.
    + answers: what is said to a command that has such words in it, before all else.
    """

    def __init__(self, name: str, directory: Path, vip: str) -> None:
        self.name, self.vip = name, vip
        self.directory = directory
        self.files: dict[str, SimulatedFile] = {}
        self.generations: dict[str, dict[str, bytes]] = {}
        self.staged = self.running = self.record = ""
        self.active: set[str] = set()
        self.actions: list[str] = []
        self.answers: dict[str, tuple[bool, list[str]]] = {}
        self.holds = self.drained = self.away = False
        # What systemd has not read since it was written; what running-state said since then.
        self._unread: set[str] = set()
        self._compared: dict[tuple[str, ...], list[str]] = {}
        (directory / "run" / "systemd" / "system").mkdir(parents=True)

    def copy(self, directory: Path) -> SimulatedMachine:
        """The same machine, with a disk of its own."""
        shutil.copytree(self.directory, directory)
        other = copy.copy(self)
        other.directory, other.actions = directory, []
        other.files, other.generations = dict(self.files), dict(self.generations)
        other.answers = dict(self.answers)
        other.active, other._unread, other._compared = set(self.active), set(), {}
        return other

    def answer(self, command: str, stdin: str) -> tuple[bool, list[str]]:
        """Whether the command succeeds, and what it prints."""
        for words, said in self.answers.items():
            if words in command:
                return said
        if written := _WRITTEN.search(command):
            user, group, mode, path = written.groups()
            data = base64.b64decode(stdin)
            self.put(shlex.split(path)[0], SimulatedFile(mode, user, group, data))
        elif staged := re.search(r"/usr/lib/tandem/apply-nginx stage (\S+)", command):
            return self._stage(staged[1], base64.b64decode(stdin))
        elif command.startswith("/usr/lib/tandem/apply-nginx look "):
            return True, self._look(self.staged)
        elif foreseen := re.search(r'apply-nginx" foresee (\S+) ', command):
            return True, self._foresee(foreseen[1], base64.b64decode(stdin))
        elif command == "/usr/lib/tandem/apply-nginx apply":
            self._apply()
        elif command.startswith("{ stat -c '%a %U %G %n'"):
            paths = shlex.split(command[: command.index(";")])[3:]
            return True, self._states(paths)
        elif shown := re.fullmatch(r"cat (\S+) 2>/dev/null \|\| true", command):
            return True, self._cat(shlex.split(shown[1])[0])
        elif command.startswith(f"cd {HOME}/staged"):
            return True, [f"generations/{self.staged}"] if self.staged else []
        elif compared := re.search(r"running-state compare (\S+)", command):
            return True, self._service(compared[1], command)
        elif managed := re.match(r"/usr/lib/tandem/service (\w[\w-]*)(?: (\S+))? \|\|", command):
            self._manage(managed[1], managed[2] or "")
        elif kept := re.match(r"/usr/lib/tandem/apply-keepalived (\w+)", command):
            conf = self.files["/var/lib/tandem/keepalived/keepalived.conf"]
            self.put("/etc/keepalived/keepalived.conf", conf)
            self._manage(kept[1], "keepalived")
        else:
            return self._rest(command)
        return True, []

    def _rest(self, command: str) -> tuple[bool, list[str]]:
        held = [f"holds {self.vip}"] if self.holds else []
        if "/run/tandem/drain && echo drained" in command:
            conf = self._cat("/etc/keepalived/keepalived.conf")
            new = self._cat("/var/lib/tandem/keepalived/keepalived.conf")
            speech = []
            for word, text in (("speaks", conf), ("will-speak", new)):
                found = [its[2] for line in text if (its := SPEECH.match(line))]
                speech += [f"{word} {self.vip} {'/'.join(found)}"] if found else []
            rank = [f"rank {self.vip} {its[1]}" for line in conf if (its := PRIORITY.match(line))]
            drained = ["drained"] if self.drained else []
            return True, [*held, *drained, *speech, *rank]
        if "grep -qs ^to= /etc/keepalived/down" in command:
            return True, [*held, *(["drained"] if self.away else []), "seen"]
        if command.startswith("mkdir -p -m 755 /run/tandem && echo"):
            self.drained = True
        elif command == "rm -f /run/tandem/drain":
            self.drained = False
        elif command.startswith("/usr/lib/tandem/deploy-record done "):
            self.record = json.dumps(json.loads(shlex.split(command)[2]) | {"exit": "done"})
        elif command.startswith("tail -n 1 /var/lib/tandem/deploys.jsonl"):
            return True, [self.record] if self.record else []
        elif command.startswith("rm -f /etc/keepalived/down"):
            self.away = False
        elif ">/etc/keepalived/down" in command:
            self.away = True
        elif command.startswith("getent passwd nginx"):
            return True, ["nginx:x:998:998::/nonexistent:/usr/sbin/nologin", "nginx:x:998:"]
        elif "sed 's/^/service=/'" in command:
            return True, ["service=chrony.service", "+0.0001 +/- 0.00004 server 172.16.0.1"]
        elif command == "uname -s":
            return True, ["Linux"]
        return True, []

    # --- files -----------------------------------------------------------------------------------

    def put(self, path: str, file: SimulatedFile) -> None:
        self.files[path] = file
        self._compared.clear()
        if unit := re.match(r"/etc/systemd/system/([\w-]+)\.service(\.d/|$)", path):
            self._unread.add(unit[1])
        place = self.directory / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)

    def _states(self, paths: list[str]) -> list[str]:
        there = {path: self.files[path] for path in paths if path in self.files}
        states = [f"{f.mode} {f.user} {f.group} {path}" for path, f in there.items()]
        sums = [f"{hashlib.sha256(f.data).hexdigest()}  {path}" for path, f in there.items()]
        return states + sums

    def _cat(self, path: str) -> list[str]:
        if path == f"{HOME}/manifest":
            names = self.generations.get(self.running, {})
            return [name.removeprefix("etc/") for name in names if name.startswith("etc/")]
        found = self.files.get(path)
        return found.data.decode(errors="replace").splitlines() if found else []

    # --- nginx -----------------------------------------------------------------------------------

    def _stage(self, name: str, data: bytes) -> tuple[bool, list[str]]:
        files = _members(data)
        if any(BROKEN.encode() in text for text in files.values()):
            return False, ["nginx: [emerg] unknown directive"]
        self.generations[name] = files
        self.staged = name
        return True, []

    def _foresee(self, name: str, data: bytes) -> list[str]:
        sent = _members(data)
        assert sent["apply-nginx"].startswith(b"#!/usr/bin/python3")
        before = dict(self.generations)
        files = self.generations[name] = _members(sent["new.tar"])
        said = self._look(name)
        self.generations = before
        if any(BROKEN.encode() in text for text in files.values()):
            said.append("Fault=nginx: [emerg] unknown directive")
        return said

    def _look(self, name: str) -> list[str]:
        if not name:
            return []
        decision = programs.load("apply_nginx.decision")
        wanted, now = self.generations[name], self.generations.get(self.running, {})
        etc = [
            {path: text for path, text in files.items() if path.startswith("etc/")}
            for files in (wanted, now)
        ]
        build = [re.findall(rb"build=(.*)", files.get("about", b"")) for files in (wanted, now)]
        unit = self.directory / "wanted-unit"
        unit.write_bytes(wanted["unit"])
        observed = decision.Observed(
            active="nginx" in self.active,
            tracked=True,
            unit_same=self._running_state("fingerprint", "nginx", str(unit))
            == self._memory("nginx", "unit"),
            binary_same=build[0] == build[1],
            two_masters=False,
            files_same=etc[0] == etc[1],
            files_read=True,
            recorded=name == self.running,
        )
        action, reason = decision.decide(observed)
        return [f"Action={action}", f"Reason={reason}"]

    def _apply(self) -> None:
        action = self._look(self.staged)[0].removeprefix("Action=")
        self.running = self.staged
        for path, text in self.generations[self.running].items():
            if path == "unit":
                place = "/etc/systemd/system/nginx.service"
                self.put(place, SimulatedFile("644", "root", "root", text))
            elif path.startswith("etc/"):
                place = f"/etc/nginx/{path.removeprefix('etc/')}"
                self.put(place, SimulatedFile("640", "root", "root", text))
        self._manage(action, "nginx")

    # --- services --------------------------------------------------------------------------------

    def _service(self, name: str, command: str) -> list[str]:
        found = []
        if staged := re.search(r"cmp -s (\S+) (\S+) \|\| echo Staged=different", command):
            new, old = (self.files.get(path) for path in staged.groups())
            found += ["Staged=different"] if not new or not old or new.data != old.data else []
        active = "active" if name in self.active else "inactive"
        found += ["LoadState=loaded", f"ActiveState={active}", "UnitFileState=enabled"]
        found += ["Running=/it", "Installed=/it"]
        found += ["NeedDaemonReload=yes"] if name in self._unread else []
        return found + self._running_state("compare", name)

    def _manage(self, verb: str, name: str) -> None:
        if verb in ("daemon-reload", "enable") or name in self._unread:
            self._unread.clear()
        if verb not in ("daemon-reload", "enable", "reset-failed"):
            self.actions.append(f"{name}: {verb}")
            self.active.add(name)
            self._running_state("reloaded" if verb == "reload" else "started", name)

    def _running_state(self, *words: str) -> list[str]:
        """The real one, with this machine's directory for the root."""
        if words[0] in ("started", "reloaded"):
            self._compared.clear()
        if words in self._compared and words[0] == "compare":
            return self._compared[words]
        script = rendering.read("machine/running-state")
        for place in ("/etc/", "/run/", "/usr/lib/tandem"):
            script = script.replace(place, f".{place}")
        (self.directory / "run" / words[1]).mkdir(exist_ok=True)
        run = ["sh", "-c", script, "running-state", *words]
        done = subprocess.run(run, cwd=self.directory, capture_output=True, text=True)
        self._compared[words] = done.stdout.splitlines()
        return self._compared[words]

    def _memory(self, service: str, what: str) -> list[str]:
        path = self.directory / "run" / service / what
        return path.read_text().splitlines() if path.exists() else []


def _members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found: dict[str, Any] = {each.name: archive.extractfile(each) for each in archive}
        return {name: file.read() for name, file in found.items()}
