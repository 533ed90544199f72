"""Files that the lab writes: guests' disks, its services' configuration, a command's home."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from lab.gateway import services
from lab.guests import access, base, disk
from lab.host.mirrors import parse
from lab.paths import State, checkout_of
from tests.unit.lab.test_lab_mirrors import TARGETS
from tests.unit.lab.test_lab_plan import HOST1, HOST2, plan_of

MIRRORS = parse(TARGETS, "", "")
STATE = State(Path("/home/somebody/tandem/.lab"))


def files_of_host1() -> dict[str, tuple[str, int]]:
    plan = plan_of(replace(HOST1, ssh_port=2222), HOST2)
    return disk.files(plan, plan.machines[0], "bookworm", MIRRORS)


def test_a_guest_is_named_wired_and_reachable() -> None:
    files = files_of_host1()
    assert files["etc/hostname"][0] == "host1\n"
    assert "172.16.12.62 host2\n" in files["etc/hosts"][0]
    assert (
        "iface eth0 inet static\n    address 172.16.12.61/16\n"
        in (files["etc/network/interfaces"][0])
    )
    assert "Port 2222\n" in files["etc/ssh/sshd_config.d/lab.conf"][0]
    assert "PasswordAuthentication no\n" in files["etc/ssh/sshd_config.d/lab.conf"][0]


def test_a_guests_further_interfaces_lead_to_no_router() -> None:
    more = (("eth1", ("10.20.0.61/24", "fd62:1::61/64")),)
    plan = plan_of(replace(HOST1, address6="fd61:1::61/64", more_interfaces=more))
    text, _ = disk.files(plan, plan.machines[0], "bookworm", MIRRORS)["etc/network/interfaces"]
    first, second = text.partition("auto eth0\n")[2].split("\nauto eth1\n")
    assert first.count("    gateway ") == 2
    assert second == (
        "iface eth1 inet static\n    address 10.20.0.61/24\n"
        "iface eth1 inet6 static\n    address fd62:1::61/64\n    dad-attempts 0\n"
    )


def test_secrets_on_a_guest_are_roots_alone(tmp_path: Path) -> None:
    host_key, lab_key = tmp_path / "host_key", tmp_path / "lab_key"
    for key in (host_key, lab_key):
        key.write_text("PRIVATE")
        key.with_suffix(".pub").write_text(f"ssh-ed25519 AAAA {key.name}\n")
    disk.create(tmp_path, Path("/base"), files_of_host1() | disk.identity(host_key, lab_key))
    upper = tmp_path / "upper"
    modes = {
        name: (upper / name).stat().st_mode & 0o777
        for name in ("", "etc", "root", "root/.ssh", "root/.ssh/authorized_keys", "etc/ssh")
    }
    assert modes == {
        "": 0o755,
        "etc": 0o755,
        "root": 0o700,
        "root/.ssh": 0o700,
        "root/.ssh/authorized_keys": 0o600,
        "etc/ssh": 0o755,
    }
    assert (upper / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    assert (upper / "root/.ssh/authorized_keys").read_text() == "ssh-ed25519 AAAA lab_key\n"


def test_a_new_disk_forgets_the_old_one(tmp_path: Path) -> None:
    disk.create(tmp_path, Path("/base"), files_of_host1())
    (tmp_path / "upper/var").mkdir()
    disk.create(tmp_path, Path("/base"), files_of_host1())
    assert not (tmp_path / "upper/var").exists()
    assert (tmp_path / "base").readlink() == Path("/base")


def test_known_hosts_has_every_name_and_address_of_a_machine() -> None:
    plan = plan_of(replace(HOST1, ssh_hostname="web1.example.org"), replace(HOST2, ssh_port=2222))
    keys = {"host1": "ssh-ed25519 AAA1 host1", "host2": "ssh-ed25519 AAA2 host2"}
    assert access.known_hosts(plan, keys).splitlines() == [
        "host1,web1.example.org,172.16.12.61 ssh-ed25519 AAA1",
        "[host2]:2222,[172.16.12.62]:2222 ssh-ed25519 AAA2",
    ]
    config = access.ssh_config(STATE, plan)
    assert "Host host1 web1.example.org 172.16.12.61\n    HostName 172.16.12.61\n" in config
    assert "    StrictHostKeyChecking yes\n" in config


def test_a_command_in_the_lab_inherits_no_keys_and_no_proxies() -> None:
    outer = {"PATH": "/bin", "HOME": "/root", "SSH_AUTH_SOCK": "/tmp/a", "http_proxy": "http://p"}
    assert access.environment(outer, STATE, "/root/.cache") == {
        "PATH": "/bin",
        "HOME": "/home/somebody/tandem/.lab/home",
        "TANDEM_LAB": "/home/somebody/tandem/.lab",
        "XDG_CACHE_HOME": "/root/.cache",
        "APT_CONFIG": "/home/somebody/tandem/.lab/apt.conf",
    }


def test_the_package_proxy_accepts_the_mirrors_and_nothing_like_them() -> None:
    patterns = services.tinyproxy_filter(MIRRORS).splitlines()
    for host, passes in {
        "mirror.example.org": True,
        "safe.example.org": True,
        "mirrorXexample.org": False,
        "mirror.example.org.evil.example": False,
        "not-mirror.example.org": False,
        "example.org": False,
    }.items():
        assert any(re.search(pattern, host) for pattern in patterns) is passes, host
    conf = services.tinyproxy_conf(MIRRORS, 4711)
    assert "FilterDefaultDeny Yes\n" in conf
    assert "Listen 127.0.0.1\n" in conf
    assert "Upstream" not in conf


def test_a_proxy_of_this_machine_is_the_package_proxys_upstream() -> None:
    conf = services.tinyproxy_conf(replace(MIRRORS, upstream="http://proxy:8080/"), 4711)
    assert "Upstream http proxy:8080\n" in conf


@pytest.mark.parametrize(
    ("upstream", "lines"),
    [
        ("", ["127.0.0.1 localhost", *(f"192.0.2.7 {name}" for name in MIRRORS.host_names)]),
        ("http://proxy:8080/", ["127.0.0.1 localhost", "192.0.2.7 proxy"]),
        ("http://unknown:8080/", ["127.0.0.1 localhost"]),
    ],
)
def test_the_package_proxy_knows_the_addresses_beforehand(
    upstream: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def address(name: str) -> str:
        if name == "unknown":
            raise socket.gaierror
        return "192.0.2.7"

    monkeypatch.setattr(socket, "gethostbyname", address)
    known = "127.0.0.1 localhost\n"
    assert services.hosts(replace(MIRRORS, upstream=upstream), known).splitlines() == lines
    (proxy,) = (each for each in services.services(STATE, 1) if each.name == "package-proxy")
    assert "mount --bind hosts /etc/hosts" in proxy.command[-1]


def test_no_name_of_a_socket_grows_with_the_checkouts_path() -> None:
    words = [word for service in services.services(STATE, 4711) for word in service.command]
    assert f"UNIX-CONNECT:{services.PROXY_SOCKET}" in words
    assert "/" not in services.PROXY_SOCKET


def test_a_changed_recipe_is_another_base() -> None:
    recipe = base.RECIPES["bookworm"]
    changed = replace(recipe, packages=(*recipe.packages, "curl"))
    assert base.digest(recipe) == base.digest(replace(recipe)) != base.digest(changed)


def test_a_base_is_built_from_this_machines_mirror_with_its_options() -> None:
    mirrors = parse(TARGETS, 'Acquire::Check-Valid-Until "false";', "http://proxy:8080")
    command = base.command(base.RECIPES["trixie"], mirrors, Path("/target"))
    assert '--aptopt=Acquire::Check-Valid-Until "false";' in command
    assert '--aptopt=Acquire::http::Proxy "http://proxy:8080";' in command
    assert command[command.index("trixie") + 1] == "/target"
    assert "deb http://mirror.example.org/debian/ trixie main" in command


def test_the_checkout_is_the_one_of_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "lab/guests").mkdir(parents=True)
    (tmp_path / "lab/guests/machine.sh").touch()
    (tmp_path / "docs").mkdir()
    assert checkout_of(tmp_path / "docs") == tmp_path.resolve()
    assert checkout_of(Path("/")) == Path(base.__file__).parents[2]
