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

EXPECTED = json.loads(Path(os.environ["EXPECTED"]).read_text())


@pytest.fixture
def expected(host: Any) -> dict[str, str]:
    found: dict[str, str] = EXPECTED[host.backend.get_hostname()]
    return found


def test_host_01_answers(host: Any) -> None:
    assert host.run("true").rc == 0


def test_ngx_01_version(host: Any, expected: dict[str, str]) -> None:
    assert f"nginx/{expected['version']}" in host.run("/usr/sbin/nginx -v").stderr


def test_ngx_02_flags(host: Any) -> None:
    said = host.run("/usr/sbin/nginx -V").stderr
    assert "--with-http_ssl_module" in said and "--with-pcre" in said


def test_ngx_03_runs_what_is_installed(host: Any) -> None:
    running = host.check_output("readlink /proc/$(cat /run/nginx/nginx.pid)/exe")
    assert running == host.check_output("readlink -e /usr/sbin/nginx")


def test_ngx_04_libraries(host: Any) -> None:
    assert "not found" not in host.check_output("ldd /usr/sbin/nginx")


def test_ngx_05_no_other_nginx(host: Any) -> None:
    assert not host.package("nginx").is_installed


def test_ngx_06_configuration_is_valid(host: Any) -> None:
    assert host.run("/usr/sbin/nginx -t").rc == 0


def test_ngx_07_configuration_means(host: Any) -> None:
    said = host.check_output("/usr/sbin/nginx -T 2>/dev/null")
    assert "worker_connections" in said and "server_tokens" in said


def test_ngx_09_unit(host: Any) -> None:
    nginx = host.service("nginx")
    assert nginx.is_running and nginx.is_enabled


def test_ngx_10_one_master(host: Any) -> None:
    assert len(host.process.filter(user="root", comm="nginx", ppid=1)) == 1


def test_ngx_11_port(host: Any) -> None:
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_ngx_12_workers_user(host: Any) -> None:
    assert host.process.filter(user="nginx", comm="nginx")


def test_ngx_14_page(host: Any, expected: dict[str, str]) -> None:
    page = host.check_output("curl -s --noproxy '*' http://%s/", expected["address"])
    assert page.strip() == expected["page"]


def test_ngx_15_unknown_path(host: Any) -> None:
    asked = "curl -s -o /dev/null -w '%{http_code}' --noproxy '*' http://127.0.0.1/no-such-page"
    assert host.check_output(asked) == "404"


def test_ngx_16_no_version_is_shown(host: Any, expected: dict[str, str]) -> None:
    assert expected["version"] not in host.check_output("curl -sI --noproxy '*' http://127.0.0.1/")


def test_ngx_17_counters(host: Any) -> None:
    said = host.check_output("curl -s --noproxy '*' http://127.0.0.1/nginx_status")
    assert "Active connections" in said


def test_ngx_20_only_root_may_change(host: Any) -> None:
    conf = host.file("/etc/nginx/nginx.conf")
    assert (conf.user, conf.mode & 0o022) == ("root", 0)


def test_ngx_21_what_was_built(host: Any, expected: dict[str, str]) -> None:
    assert host.file("/usr/sbin/nginx").linked_to.endswith("/nginx")
    assert host.check_output("sha256sum < /usr/sbin/nginx").split()[0] == expected["sha256"]


def test_ka_01_unit(host: Any) -> None:
    keepalived = host.service("keepalived")
    assert keepalived.is_running and keepalived.is_enabled


def test_ka_02_configuration_is_valid(host: Any) -> None:
    assert host.run("/usr/sbin/keepalived --config-test").rc == 0


def test_ka_03_installed(host: Any) -> None:
    assert host.package("keepalived").is_installed


def test_ka_13_scripts(host: Any) -> None:
    script = host.file("/etc/keepalived/notify.sh")
    assert (script.user, script.mode & 0o022) == ("root", 0)


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


def test_net_03_link(host: Any) -> None:
    assert "LOWER_UP" in host.check_output("ip link show eth0")


def test_sys_03_kernel(host: Any) -> None:
    assert host.sysctl("net.core.somaxconn") >= 511


def test_sys_05_no_failed_unit(host: Any) -> None:
    assert host.check_output("systemctl list-units --state=failed --plain --no-legend") == ""


def test_sys_07_logs_are_rotated(host: Any) -> None:
    assert host.run("logrotate --debug /etc/logrotate.d/nginx").rc == 0
