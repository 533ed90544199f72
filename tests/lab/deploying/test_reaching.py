"""Ways to reach the machines, and to become root there: each changes something, and verifies it.

docs/operations.md lists what has been tried; that is what is tried here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.guests import login_user
from lab.plan import BRIDGE, Login
from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, deploy, pyinfra, verify
from tests.support.lab.pair import HOSTS, changed_nothing, on, with_snippets

LogsIn = Callable[[Login], None]
USER = "ann"
PASSWORD = "not 'so' $secret"
ADDRESSES = {"host1": "172.16.12.61", "host2": "172.16.12.62"}


def changes_something(lab: Lab, directory: Path, *words: str, inventory: str = "") -> None:
    """Deploy a snippet, whose upload is seen; verify; deploy again, without any change."""
    (directory / "reached.conf").write_text("server { listen 8097; return 200 reached; }\n")
    given = (*with_snippets(directory), *words)
    run = (inventory or "inventory.py", "deploy.py", *given)
    done = pyinfra(lab, "-y", *run)
    assert done.returncode == 0, done.stdout
    for address in ADDRESSES.values():
        assert lab.run(["curl", "-s", "-m", "3", f"http://{address}:8097/"]).stdout == "reached"
    found = pyinfra(lab, inventory or "inventory.py", "verify.py", *given, "--data", "wait=20")
    assert found.returncode == 0, found.stdout
    assert changed_nothing(pyinfra(lab, "-y", *run).stdout)


# --- noise ---------------------------------------------------------------------------------------

NOISE = "echo noise; echo holds 172.16.12.254; echo noise >&2; printf 'without a newline'"


@pytest.fixture
def noisy(lab: Lab) -> Iterator[None]:
    """host1 greets whoever logs in, wherever it can."""
    keep = "cp -a /root/.bashrc /root/.bashrc.kept; cp -a /etc/bash.bashrc /etc/bash.bashrc.kept"
    on(
        lab,
        "host1",
        f'{keep}; sed -i "1i {NOISE}" /root/.bashrc /etc/bash.bashrc; '
        "echo 'echo more noise' >/root/.ssh/rc; "
        "echo 'Welcome!' >/etc/issue.net; mkdir -p /etc/ssh/sshd_config.d; "
        "echo 'Banner /etc/issue.net' >/etc/ssh/sshd_config.d/noise.conf; systemctl reload ssh",
    )
    yield
    on(
        lab,
        "host1",
        "mv /root/.bashrc.kept /root/.bashrc; mv /etc/bash.bashrc.kept /etc/bash.bashrc; "
        "rm /root/.ssh/rc /etc/ssh/sshd_config.d/noise.conf; systemctl reload ssh",
    )


def test_a_machine_that_greets_whoever_logs_in(
    lab: Lab, plain: None, noisy: None, tmp_path: Path
) -> None:
    assert "noise" in lab.ssh("host1", "true").stdout
    changes_something(lab, tmp_path)


@pytest.fixture
def shells(lab: Lab) -> Iterator[None]:
    """The login shells are no Bourne shells."""
    chosen = {"host1": "tcsh", "host2": "fish"}
    for host, shell in chosen.items():
        install = f"apt-get -qq update && apt-get -qq install -y {shell} >/dev/null 2>&1"
        on(lab, host, f"{install} && usermod -s /usr/bin/{shell} root")
    yield
    for host, shell in chosen.items():
        # No redirection here: each has its own.
        on(lab, host, f"usermod -s /bin/bash root; apt-get -qq purge -y {shell}")


def test_login_shells_of_another_kind(lab: Lab, plain: None, shells: None, tmp_path: Path) -> None:
    assert on(lab, "host1", "echo $version").startswith("tcsh")
    assert on(lab, "host2", "echo $version").startswith("3")
    changes_something(lab, tmp_path)


# --- other users than root -----------------------------------------------------------------------


@pytest.fixture
def logs_in(lab: Lab, deployed: object) -> Iterator[LogsIn]:
    """Makes a login user on both, whose temporary files are nobody else's (libpam-tmpdir)."""
    packages = "sudo opendoas libpam-tmpdir"
    for host in HOSTS:
        install = f"apt-get -qq update && apt-get -qq install -y {packages} >/dev/null 2>&1"
        on(lab, host, install)

    def make(login: Login) -> None:
        for machine in lab.machines:
            lab.make_login(machine, login)

    yield make
    for host in HOSTS:
        on(
            lab,
            host,
            f"rm -f {login_user.SUDOERS} {login_user.DOAS}; userdel -r {USER} 2>/dev/null; "
            f"apt-get -qq purge -y {packages} >/dev/null 2>&1; rm -rf /tmp/user",
        )


def test_sudo_without_a_password_and_temporary_files_of_ones_own(
    lab: Lab, plain: None, logs_in: LogsIn, tmp_path: Path
) -> None:
    logs_in(Login(user=USER, becomes="sudo"))
    changes_something(lab, tmp_path, "--data", f"ssh_user={USER}", "--data", "_sudo=True")


def test_sudo_with_a_password(lab: Lab, plain: None, logs_in: LogsIn, tmp_path: Path) -> None:
    logs_in(Login(user=USER, becomes="sudo", sudo_asks=True, password=PASSWORD))
    more = f"'ssh_user': {USER!r}, '_sudo': True, '_sudo_password': {PASSWORD!r}, "
    inventory = machines(tmp_path / "machines.py", {}, more)
    changes_something(lab, tmp_path, inventory=inventory)


def test_doas(lab: Lab, plain: None, logs_in: LogsIn, tmp_path: Path) -> None:
    logs_in(Login(user=USER, becomes="doas"))
    changes_something(lab, tmp_path, "--data", f"ssh_user={USER}", "--data", "_doas=True")


# --- other ways than a direct one ----------------------------------------------------------------


def machines(path: Path, names: dict[str, str], more: str = "") -> str:
    """An inventory of the pair in which SSH knows them by other names."""
    pages = {"host1": "master.wangej.com", "host2": "slaves.wangej.com"}
    lines = "".join(
        f"    ({host!r}, {{'ssh_hostname': {names.get(host, address)!r}, 'address': {address!r}, "
        f"{more}'priority': {101 - number}, 'page': {pages[host]!r}}}),\n"
        for number, (host, address) in enumerate(ADDRESSES.items())
    )
    path.write_text(f"web = ([\n{lines}], {{'vip': '172.16.12.254/16'}})\n")
    return str(path)


def test_names_of_ssh_config_and_a_jump_host(
    lab: Lab, plain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """host1 through host2, by a ~/.ssh/config of one's own, with the lab's key and known hosts."""
    names = {"host1": "first.example", "host2": "second.example"}
    home = tmp_path / "home"
    shutil.copytree(lab.state.home, home)
    config = home / ".ssh/config"
    config.write_text(
        f"Host first.example\n    HostName {ADDRESSES['host1']}\n    ProxyJump second.example\n"
        "    ServerAliveInterval 3600\n"
        f"Host second.example\n    HostName {ADDRESSES['host2']}\n"
        "Host *\n    User root\n    StrictHostKeyChecking accept-new\n"
    )
    inventory = machines(tmp_path / "machines.py", names)
    monkeypatch.setattr(
        Lab, "environment", lambda lab, of=Lab.environment: of(lab) | {"HOME": str(home)}
    )
    changes_something(lab, tmp_path, inventory=inventory)
    seen = lab.run([PYINFRA, inventory, "exec", "--", "echo", "from=$SSH_CLIENT"])
    assert f"from={ADDRESSES['host2']} " in seen.stdout + seen.stderr


def test_machines_that_are_reached_over_ipv6_alone(lab: Lab, plain: None, tmp_path: Path) -> None:
    names = {"host1": "fd61:99::61", "host2": "fd61:99::62"}
    lab.run(["ip", "address", "add", "fd61:99::1/64", "dev", BRIDGE, "nodad"])
    try:
        for host, address in names.items():
            on(lab, host, f"ip address add {address}/64 dev eth0 nodad")
        inventory = machines(tmp_path / "machines.py", names)
        changes_something(lab, tmp_path, inventory=inventory)
    finally:
        lab.run(["ip", "address", "delete", "fd61:99::1/64", "dev", BRIDGE])
        for host, address in names.items():
            on(lab, host, f"ip address delete {address}/64 dev eth0")


def test_the_pair_is_as_before(lab: Lab, plain: None) -> None:
    assert deploy(lab).returncode == 0
    assert verify(lab, "--data", "wait=20").returncode == 0
