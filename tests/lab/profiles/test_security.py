"""On real machines: who may read metrics, what systemd and gixy judge, and known vulnerabilities.

The pair of the session; metrics are taken away again at the end.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import on, until
from tests.support.lab.deployment import ROOT, Deployed, Done, deploy, verify
from tests.support.lab.pair import changed_nothing

ADDRESSES = {"host1": "172.16.12.61", "host2": "172.16.12.62"}
VIP = "172.16.12.254"
PORTS = (9113, 9114)
GATEWAY_MAY = ("--data", "metrics=True", "--data", 'metrics_allow=["172.16.0.1"]')
# What systemd-analyze calls safe enough; what it was without the sandboxes: keepalived 9.6.
EXPOSURE = 3.0


@pytest.fixture(scope="module")
def scraped(lab: Lab, deployed: Deployed) -> Iterator[Done]:
    """The pair with metrics for the gateway alone, and afterwards without."""
    done = deploy(lab, *GATEWAY_MAY)
    assert done.returncode == 0, done.stdout
    yield done
    gone = deploy(lab)
    assert gone.returncode == 0, gone.stdout
    left = (
        "ls -d /etc/tandem/metrics.nft /usr/lib/tandem/metrics /usr/bin/prometheus-nginx-exporter"
    )
    for host in ADDRESSES:
        assert lab.ssh(host, left).stdout == ""
        assert "tandem_metrics" not in on(lab, host, "nft list tables")


def scrape(lab: Lab, address: str, port: int, host: str = "") -> Done:
    """As the gateway, or as a machine of the pair."""
    words = ["curl", "-sS", "--noproxy", "*", "-m", "2", f"http://{address}:{port}/metrics"]
    return lab.ssh(host, " ".join(words)) if host else lab.run(words)


def exposure(lab: Lab, host: str, unit: str) -> float:
    said = on(lab, host, f"systemd-analyze security --no-pager {unit} | tail -n 1")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    return float(found[1])


def test_metrics_are_read_by_whom_they_are_for(lab: Lab, scraped: Done) -> None:
    for address in ADDRESSES.values():
        nginx, node = (scrape(lab, address, port).stdout for port in PORTS)
        assert "\nnginx_up 1\n" in nginx and "nginx_http_requests_total" in nginx
        assert "\ntandem_keepalived_up 1\n" in node
    held = [scrape(lab, address, 9114).stdout for address in ADDRESSES.values()]
    assert sum(f'tandem_vip_held{{vip="{VIP}"}} 1' in text for text in held) == 1


def test_others_are_turned_away_and_nobody_reads_them_on_the_vip(lab: Lab, scraped: Done) -> None:
    for port in PORTS:
        refused = scrape(lab, ADDRESSES["host1"], port, host="host2")
        assert refused.returncode == 7, refused.stdout
        # curl's 7: turned away at once, not left waiting.
        assert scrape(lab, ADDRESSES["host2"], port, host="host2").returncode == 0
        assert scrape(lab, VIP, port).returncode == 7


def test_a_flushed_table_is_back_before_anybody_notices(lab: Lab, scraped: Done) -> None:
    on(lab, "host1", "nft delete table inet tandem_metrics")
    until(lab, "host1", "nft list table inet tandem_metrics", seconds=4)
    assert scrape(lab, ADDRESSES["host1"], 9113, host="host2").returncode == 7


def test_a_drain_and_a_move_are_told(lab: Lab, scraped: Done) -> None:
    node = ADDRESSES["host1"]
    drained = 'tandem_drained{by="person"}'
    moved = 'tandem_vrrp_transitions_total{vrrp_instance="VI_1",to="backup"}'
    before = scrape(lab, node, 9114).stdout
    assert f"{drained} 0" in before
    count = int(before.split(f"{moved} ")[1].split("\n")[0])
    on(lab, "host1", "touch /etc/keepalived/down")
    try:
        until(lab, "host2", f"ip address show dev eth0 | grep -q ' {VIP}/'")
        text = scrape(lab, node, 9114).stdout
    finally:
        on(lab, "host1", "rm /etc/keepalived/down")
        until(lab, "host1", f"ip address show dev eth0 | grep -q ' {VIP}/'", seconds=20)
    assert f"{drained} 1" in text and f"{moved} {count + 1}" in text
    assert f'tandem_vip_held{{vip="{VIP}"}} 0' in text


def test_the_verifier_sees_them_and_a_deploy_changes_nothing(lab: Lab, scraped: Done) -> None:
    again = deploy(lab, *GATEWAY_MAY)
    assert changed_nothing(again.stdout)
    good = verify(lab, *GATEWAY_MAY, "--data", "only=MET,SYS-05", "--data", "wait=10")
    assert good.returncode == 0 and "6 ok" in good.stdout, good.stdout
    on(lab, "host1", "systemctl stop tandem-metrics; nft flush chain inet tandem_metrics scrape")
    try:
        broken = verify(lab, *GATEWAY_MAY, "--data", "only=MET")
    finally:
        on(lab, "host1", "systemctl start tandem-metrics")
    assert broken.returncode == 1
    assert "FAIL MET-01 host1" in broken.stdout and "FAIL MET-02 host1" in broken.stdout


def test_services_are_walled_in(lab: Lab, scraped: Done) -> None:
    found = {
        unit: exposure(lab, "host1", unit)
        for unit in (
            *("nginx", "keepalived", "tandem-watch", "tandem-handover"),
            *("tandem-metrics", "prometheus-nginx-exporter"),
        )
    }
    print(found)
    assert all(level <= EXPOSURE for level in found.values()), found


def test_behind_its_walls_keepalived_still_mails_and_starts_nginx(
    lab: Lab, deployed: Deployed
) -> None:
    """host2's nginx is stopped while its watch is away; notify.sh starts it."""
    lab.clear_mail()
    on(lab, "host2", "systemctl stop tandem-watch nginx")
    try:
        on(lab, "host2", "sleep 0.5; echo 0 1<>/run/tandem/failed")
        until(lab, "host2", "systemctl is-active nginx", seconds=15)
    finally:
        on(lab, "host2", "systemctl start nginx tandem-watch")
    settled = verify(lab, "--data", "wait=30")
    assert settled.returncode == 0, settled.stdout
    subjects = [mail.subject for mail in lab.mail()]
    assert any("host2 is now fault" in text for text in subjects), subjects
    assert any("host2 is now backup" in text for text in subjects), subjects


def test_gixy_finds_nothing_in_what_nginx_reads(
    lab: Lab, deployed: Deployed, tmp_path: Path
) -> None:
    dump = tmp_path / "nginx.conf"
    dump.write_text(on(lab, "host1", "nginx -T 2>/dev/null"))
    gixy = Path(sys.executable).with_name("gixy")
    done = subprocess.run([gixy, dump], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and "No issues found" in done.stdout, done.stdout


def test_known_vulnerabilities_warn_and_fail_where_that_is_asked_for(
    lab: Lab, deployed: Deployed
) -> None:
    """The lab's nginx is the newest that Debian carries, which is not the newest there is."""
    warned = verify(lab, "--data", "only=NGX-19")
    assert warned.returncode == 0 and "warn NGX-19 host1" in warned.stdout, warned.stdout
    assert "CVE-" in warned.stdout
    strict = verify(lab, "--data", "only=NGX-19", "--data", "strict=True")
    assert strict.returncode == 1 and "FAIL NGX-19 host1" in strict.stdout, strict.stdout
    assert str(ROOT) not in strict.stdout
