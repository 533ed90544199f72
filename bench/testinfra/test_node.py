"""30 of the verifier's checks of one machine, as pytest-testinfra does them.

Each test says which of the verifier's checks it is. Modules of testinfra's where it has one, and as
few commands as the check takes. EXPECTED is JSON: what each machine should be.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

CURL = "curl --noproxy '*'"
EXPECTED = json.loads(Path(os.environ["EXPECTED"]).read_text())


@pytest.fixture
def expected(host: Any) -> dict[str, str]:
    found: dict[str, str] = EXPECTED[host.backend.get_hostname()]
    return found


def checks(names: str, cases: dict[str, Any]) -> pytest.MarkDecorator:
    """One test per check: its id in the verifier, and the arguments `names`."""
    return pytest.mark.parametrize(names, cases.values(), ids=cases.keys())


@checks(
    "command",
    {
        "HOST-01": "true",
        "NGX-06": "/usr/sbin/nginx -t",
        "KA-02": "/usr/sbin/keepalived --config-test",
        "SYS-07": "logrotate --debug /etc/logrotate.d/nginx",
    },
)
def test_succeeds(host: Any, command: str) -> None:
    assert host.run(command).rc == 0


@checks(
    "command, words",
    {
        "NGX-02": ("/usr/sbin/nginx -V 2>&1", ("--with-http_ssl_module", "--with-pcre")),
        "NGX-07": ("/usr/sbin/nginx -T 2>/dev/null", ("worker_connections", "server_tokens")),
        "NGX-17": (f"{CURL} -s http://127.0.0.1/nginx_status", ("Active connections",)),
        "NET-03": ("ip link show eth0", ("LOWER_UP",)),
    },
)
def test_says(host: Any, command: str, words: tuple[str, ...]) -> None:
    said = host.check_output(command)
    assert all(word in said for word in words)


@checks(
    "command, answer",
    {
        "NGX-15": (
            f"{CURL} -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1/no-such-page",
            "404",
        ),
        "SYS-05": ("systemctl list-units --state=failed --plain --no-legend", ""),
    },
)
def test_answers(host: Any, command: str, answer: str) -> None:
    assert host.check_output(command) == answer


@checks("name", {"NGX-09": "nginx", "KA-01": "keepalived"})
def test_unit(host: Any, name: str) -> None:
    service = host.service(name)
    assert service.is_running and service.is_enabled


@checks("path", {"NGX-20": "/etc/nginx/nginx.conf", "KA-13": "/etc/keepalived/notify.sh"})
def test_only_root_may_change(host: Any, path: str) -> None:
    file = host.file(path)
    assert (file.user, file.mode & 0o022) == ("root", 0)


def test_ngx_01_version(host: Any, expected: dict[str, str]) -> None:
    assert f"nginx/{expected['version']}" in host.run("/usr/sbin/nginx -v").stderr


def test_ngx_03_runs_what_is_installed(host: Any) -> None:
    running = host.check_output("readlink /proc/$(cat /run/nginx/nginx.pid)/exe")
    assert running == host.check_output("readlink -e /usr/sbin/nginx")


def test_ngx_04_libraries(host: Any) -> None:
    assert "not found" not in host.check_output("ldd /usr/sbin/nginx")


def test_ngx_05_no_other_nginx(host: Any) -> None:
    assert not host.package("nginx").is_installed


def test_ngx_10_one_master(host: Any) -> None:
    assert len(host.process.filter(user="root", comm="nginx", ppid=1)) == 1


def test_ngx_11_port(host: Any) -> None:
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_ngx_12_workers_user(host: Any) -> None:
    assert host.process.filter(user="nginx", comm="nginx")


def test_ngx_14_page(host: Any, expected: dict[str, str]) -> None:
    page = host.check_output(f"{CURL} -s http://%s/", expected["address"])
    assert page.strip() == expected["page"]


def test_ngx_16_no_version_is_shown(host: Any, expected: dict[str, str]) -> None:
    assert expected["version"] not in host.check_output(f"{CURL} -sI http://127.0.0.1/")


def test_ngx_21_what_was_built(host: Any, expected: dict[str, str]) -> None:
    assert host.file("/usr/sbin/nginx").linked_to.endswith("/nginx")
    assert host.check_output("sha256sum < /usr/sbin/nginx").split()[0] == expected["sha256"]


def test_ka_03_installed(host: Any) -> None:
    assert host.package("keepalived").is_installed


def test_ka_20_secret(host: Any) -> None:
    assert host.file("/etc/keepalived/keepalived.conf").mode & 0o007 == 0


def test_ka_21_watch(host: Any) -> None:
    assert host.service("tandem-watch").is_running
    assert host.file("/run/tandem/failed").content_string.strip() == "0"


def test_ho_01_handover(host: Any) -> None:
    assert host.service("tandem-handover").is_running


def test_net_02_vip(host: Any, expected: dict[str, str]) -> None:
    held = any(expected["vip"] in address for address in host.interface("eth0").addresses)
    assert held == (expected["holds"] == "yes")


def test_sys_03_kernel(host: Any) -> None:
    assert host.sysctl("net.core.somaxconn") >= 511
