"""Commands in the lab, and what its gateway offers, for real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.gateway import chrony
from lab.twin import Lab
from tests.lab.conftest import Checkout, out
from tests.support.lab.deployment import ROOT

VIP = "172.16.12.254/16 dev eth0 label eth0:0"


# --- commands in the lab -----------------------------------------------------------------------


def test_pyinfra_connects_with_nothing_about_the_lab_in_the_inventory(
    lab: Lab, checkout: Checkout
) -> None:
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    done = checkout.lab("run", "--", pyinfra, "inventory.py", "exec", "--", "hostname")
    assert done.returncode == 0, done.stderr
    assert "[host1] host1" in done.stderr + done.stdout
    assert "[host2] host2" in done.stderr + done.stdout


def test_a_command_keeps_its_directory_input_and_exit_code(lab: Lab, checkout: Checkout) -> None:
    done = checkout.lab("run", "--", "sh", "-c", "pwd; cat; exit 7", input="typed")
    assert (done.returncode, done.stdout) == (7, f"{ROOT}\ntyped")
    assert checkout.lab("ssh", "host1", "exit", "9").returncode == 9


def test_a_closed_pipe_ends_a_command_without_a_word(lab: Lab, checkout: Checkout) -> None:
    assert checkout.lab("run", "--", "sh", "-c", "yes | head -n 1").stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command(lab: Lab, checkout: Checkout, number: int) -> None:
    script = f"trap 'echo caught; exit 5' {number}; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [sys.executable, "-m", "lab", "run", "--", "sh", "-c", script],
        cwd=checkout.directory,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "caught\n"
    assert process.returncode == 5


def test_the_environment_is_the_labs(lab: Lab) -> None:
    environment = dict(
        line.split("=", 1) for line in out(lab.run(["env"])).splitlines() if "=" in line
    )
    assert environment["TANDEM_LAB"] == str(ROOT / ".lab")
    assert environment["HOME"] == str(ROOT / ".lab/home")
    assert not {"SSH_AUTH_SOCK", "http_proxy", "https_proxy"} & set(environment)


def test_nothing_leaves_the_lab(lab: Lab) -> None:
    routes = json.loads(out(lab.run(["ip", "-json", "route"])))
    assert {route["dst"] for route in routes} == {"172.16.0.0/16"}
    assert lab.run(["ip", "route", "get", "192.0.2.1"]).returncode != 0
    script = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    assert lab.run([sys.executable, "-c", script]).returncode != 0
    assert lab.ssh("host1", "getent hosts example.org").returncode != 0


# --- the gateway -------------------------------------------------------------------------------


def test_mail_arrives_and_can_be_read(lab: Lab, checkout: Checkout) -> None:
    script = """
import smtplib
with smtplib.SMTP("172.16.0.1") as server:
    server.sendmail("lab@host1", ["one@example.org"], "Subject: a lab test\\n\\nIt works.\\n")
"""
    out(lab.run([sys.executable, "-c", script]))
    mine = [mail for mail in lab.mail() if mail.subject == "a lab test"]
    assert [(mail.sender, mail.recipients, mail.body.strip(), mail.peer) for mail in mine][-1:] == [
        ("lab@host1", ("one@example.org",), "It works.", "172.16.0.1")
    ]
    assert "Subject: a lab test" in checkout.lab("mail").stdout
    assert "a lab test" in [
        mail["subject"] for mail in json.loads(checkout.lab("mail", "--json").stdout)
    ]


def test_the_gateway_tells_the_time(lab: Lab) -> None:
    server = "server 172.16.0.1 iburst maxsamples 1"
    # The program is unpacked rather than installed: its user does not exist.
    ask = [chrony.path(), "-u", "root", "-Q", "-t", "5", "-f", "/dev/null", server]
    assert "System clock wrong by" in (done := lab.run(ask)).stdout + done.stderr


def test_the_hole_leads_to_the_mirrors_and_nowhere_else(lab: Lab) -> None:
    fetched = lab.ssh("host2", "apt-get -o APT::Update::Error-Mode=any update")
    assert fetched.returncode == 0, fetched.stderr
    script = """
import http.client
proxy = http.client.HTTPConnection("172.16.0.1", 3128, timeout=5)
proxy.request("GET", "http://example.org/")
print(proxy.getresponse().status)
tunnel = http.client.HTTPConnection("172.16.0.1", 3128, timeout=5)
tunnel.request("CONNECT", "example.org:443")
print(tunnel.getresponse().status)
"""
    assert out(lab.run([sys.executable, "-c", script])).split() == ["403", "403"]


def test_the_controllers_apt_fetches_sources_through_the_hole(lab: Lab, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    script = """
set -e
cd "$1"
mkdir -p lists/partial cache/archives/partial
uri=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
echo "deb-src $uri trixie main" > sources.list
options="-o Dir::Etc::sourcelist=$1/sources.list -o Dir::Etc::sourceparts=/dev/null"
options="$options -o Dir::State::lists=$1/lists -o Dir::Cache=$1/cache"
apt-get -qq $options update
apt-get -qq $options source --download-only netbase
"""
    done = lab.run(["sh", "-c", script, "sh", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("netbase_*.dsc"))
