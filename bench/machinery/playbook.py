"""The others' side of bench/deploy, Ansible's and a stock pyinfra's: inventory, files, runs.

The files are those that Tandem has rendered, taken from its own machines: the end state is the
same because it is the same bytes, and the others are spared most of the rendering.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import tarfile
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure
from bench.machinery.bench_lab import ARTIFACTS, TimedRun, Twin
from bench.machinery.rivals_venv import program

HERE = Path(__file__).resolve().parents[1] / "ansible"
STOCK = HERE.with_name("stock")
CONFIGURATION = "etc/nginx/nginx.conf"
FILES = (
    *(CONFIGURATION, "etc/nginx/mime.types", "usr/html/index.html"),
    *("usr/lib/tandem/service", "usr/lib/tandem/running-state", "usr/lib/tandem/reload-nginx"),
    *("usr/lib/tandem/watch", "usr/lib/tandem/handover", "etc/tandem/handover.nft"),
    *("etc/logrotate.d/nginx", "etc/sysctl.d/61-tandem-handover.conf"),
    *("etc/tmpfiles.d/tandem-nginx.conf", "etc/tmpfiles.d/tandem-watch.conf"),
    *("etc/systemd/system/nginx.service", "etc/systemd/system/tandem-watch.service"),
    "etc/systemd/system/tandem-handover.service",
    "etc/systemd/system/keepalived.service.d/tandem.conf",
    *("usr/lib/tandem/notify", "usr/lib/tandem/failed-unseen"),
    *("etc/keepalived/notify.sh", "etc/keepalived/vrrp.nft", "etc/keepalived/keepalived.conf"),
)
SERVICES = ("tandem-handover", "nginx", "tandem-watch", "keepalived")
# What Ansible's modules need on a machine. Both sides begin with it, so that neither installs it.
NEEDED = "python3 python3-apt"
PREPARE = (
    "DEBIAN_FRONTEND=noninteractive apt-get -qq update && DEBIAN_FRONTEND=noninteractive "
    f"apt-get -qq install -y --no-install-recommends {NEEDED} >/dev/null"
)
# Everything of the end state that both sides are to agree about.
END_STATE = (
    "dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' | sed -n 's/ ii *$//p'; "
    f"cd / && stat -c '%a %U %G %n' {' '.join(FILES)}; sha256sum {' '.join(FILES)}; "
    "readlink -f /usr/sbin/nginx; sha256sum $(readlink -f /usr/sbin/nginx); "
    "getent passwd nginx | cut -d: -f1,6,7; "
    f"for it in {' '.join(SERVICES)}; do echo $it $(systemctl is-enabled $it) "
    "$(systemctl is-active $it); done"
)
PRINT_PACKAGES = (
    "from tasks.machine import packages; import json; print(json.dumps(packages.RUN['debian']))"
)


class Playbook:
    """The playbook for a lab's machines, which Tandem has deployed by now."""

    def __init__(self, twin: Twin, directory: Path):
        self._twin = twin
        self._directory = directory
        state = twin.lab.state
        build = twin.ssh(twin.names[0], "basename $(dirname $(readlink /usr/sbin/nginx))").strip()
        found = list((state.root / "artifacts").glob(f"{build}-*.tar.gz"))
        if not found:
            raise CannotMeasure(f"there is no artifact of {build}; {ARTIFACTS} has none either")
        for name in twin.names:
            self._take(name)
        (directory / "hosts").write_text("".join(f"{name}\n" for name in twin.names))
        self._given = directory / "given.json"
        given = {"build": build, "artifact": str(found[0]), "packages": _packages(twin)}
        self._given.write_text(json.dumps(given | {"rendered": str(directory)}))
        self._env = {
            "ANSIBLE_CONFIG": str(HERE / "ansible.cfg"),
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(directory / "facts"),
            "ANSIBLE_HOME": str(directory / "home"),
            "ANSIBLE_NOCOLOR": "1",
            # It refuses to work in another encoding.
            "LC_ALL": "C.UTF-8",
            # OpenSSH goes by the passwd database and not by HOME, as the lab's other tools do.
            "ANSIBLE_SSH_ARGS": (
                f"-F {state.ssh / 'config'} -o ControlMaster=auto -o ControlPersist=60s"
            ),
        }

    def _take(self, name: str) -> None:
        """A machine's files as Tandem has rendered them; nginx.conf becomes a template."""
        place = self._directory / name
        packed = self._twin.ssh(name, f"tar -C / -czf - {' '.join(FILES)} | base64")
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as archive:
            archive.extractall(place, filter="data")
        text = (place / CONFIGURATION).read_text()
        changed, count = re.subn(
            r"(?m)^(\s*keepalive_timeout\s+)\d+;", r"\g<1>{{ keepalive_timeout_s }};", text
        )
        if count != 1 or "{%" in text or "{{" in text or "{#" in text:
            raise CannotMeasure(f"{name}: {CONFIGURATION} cannot be made a template of")
        # Jinja's own `keep_trailing_newline` is Ansible's default.
        (place / f"{CONFIGURATION}.j2").write_text(changed)

    def run(self, *values: str) -> TimedRun:
        """`values` like "keepalive_timeout_s=60"."""
        extra = [word for value in values for word in ("-e", value)]
        return self._twin.run(
            [
                *(program("ansible-playbook"), "-i", str(self._directory / "hosts")),
                *("-e", f"@{self._given}", *extra, str(HERE / "site.yml")),
            ],
            env=self._env,
        )

    def run_stock(self) -> TimedRun:
        """The same by a stock pyinfra: bench/stock."""
        inventory = self._directory / "inventory.py"
        inventory.write_text(f"hosts = {list(self._twin.names)!r}\n")
        words = ("--chdir", str(STOCK), "-y", str(inventory), "deploy.py")
        return self._twin.pyinfra(*words, env={"GIVEN": str(self._given)})

    def run_idle(self) -> TimedRun:
        """`run` where nothing is to be changed. Raises `CannotMeasure` if it changes something."""
        run = self.run()
        if count := changes(run):
            raise CannotMeasure(f"Ansible changed {count} things where nothing was to be changed")
        return run

    def run_stock_idle(self) -> TimedRun:
        """The same of `run_stock`."""
        run = self.run_stock()
        if not changed_nothing(run):
            raise CannotMeasure("stock pyinfra changed something where nothing was to be changed")
        return run


def _packages(twin: Twin) -> list[str]:
    """The packages of a machine that does not compile.

    Tandem's are read in a child process, because importing pyinfra patches threads.
    """
    done = twin.run([sys.executable, "-c", PRINT_PACKAGES])
    manifest = "cat $(dirname $(readlink -f /usr/sbin/nginx))/MANIFEST.json"
    libraries = json.loads(twin.ssh(twin.names[0], manifest))["packages"]
    return sorted({*json.loads(done.output.splitlines()[-1]), *libraries})


def changes(run: TimedRun) -> int:
    """What the playbook says it has changed, on all machines together."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", run.output))


def changed_nothing(run: TimedRun) -> bool:
    """Whether the last line of a deploy says so: no command was carried out."""
    told = re.findall(r"^--> deploy\.py: (nothing to do|done)", run.output, re.MULTILINE)
    return told[-1:] == ["nothing to do"]


def differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Lines of `END_STATE` that only one side has."""
    found = []
    for name, text in ours.items():
        mine, other = set(text.splitlines()), set(theirs[name].splitlines())
        found += [f"{name}: only with Tandem: {line}" for line in sorted(mine - other)]
        found += [f"{name}: only with Ansible: {line}" for line in sorted(other - mine)]
    return found
