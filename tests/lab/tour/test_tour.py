"""The first hour of a new operator, in order: each step's exit code, and its plan's truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients.upstream_process import UpstreamProcess
from tests.support.lab.deployment import keep_artifacts
from tests.support.lab.own_lab import lab_command, own_lab
from tests.support.lab.tour import newcomer, told
from tests.support.lab.tour.newcomer import APPLICATION, GATEWAY, HOSTS, NAMES, VIP, VIP6, edit
from tests.support.lab.tour.steps import Tour

pytestmark = pytest.mark.timeout(300)

SETTINGS = "group_data/web.py"
# The lab has no newer nginx; and what keepalived remembers of earlier steps is no news.
KNOWN = "skip=NGX-19,KA-11,KA-19"


def certify(checkout: Path) -> None:
    """A certificate for all that is served; without a lab, too."""
    lab_command(checkout, "ca", VIP, VIP6, *NAMES)


def prepare(checkout: Path) -> None:
    newcomer.write(checkout)
    certify(checkout)


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    directory = tmp_path_factory.mktemp("tour") / "tandem"
    with own_lab(directory, prepare=prepare) as lab:
        yield Tour(lab, directory)
        keep_artifacts(lab)


@pytest.fixture(scope="module")
def application(tour: Tour) -> Iterator[UpstreamProcess]:
    process = UpstreamProcess(tour.lab, GATEWAY, APPLICATION)
    yield process
    process.kill()


def found(tour: Tour, *, wait_s: int = 20, rc: int = 0) -> dict[str, str]:
    """The checks that verify tells in full, with what it calls them."""
    wait = ("--data", f"wait={wait_s}") if wait_s else ()
    done = tour.pyinfra("inventory.py", "verify.py", "--data", KNOWN, *wait)
    assert done.returncode == rc, done.stdout
    rows = re.findall(r"^(warn|FAIL|unknown) ([A-Z]+-\d+) ", done.stdout, re.MULTILINE)
    return {check: outcome for outcome, check in rows}


def curl(tour: Tour, *words: str) -> str:
    places = [f"{name}:{port}:{VIP}" for name in NAMES for port in (80, 443)]
    names = [word for place in places for word in ("--resolve", place)]
    trusting = ("--cacert", str(tour.checkout / ".lab-ca/ca.pem"))
    done = tour.lab.run(["curl", "-sS", "--max-time", "4", *trusting, *names, *words])
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return str(done.stdout)


def status(tour: Tour, *words: str) -> str:
    return curl(tour, "-o", "/dev/null", "-w", "%{http_code}", *words)


def test_mistakes_are_told_at_once_before_any_machine_is_touched(tour: Tour) -> None:
    before = (tour.checkout / SETTINGS).read_text()
    edit(tour.checkout, SETTINGS, "virtual_router_id = 20", "virtual_router_id = 256")
    edit(tour.checkout, SETTINGS, '"/api/": "app"', '"/api/": "ap"')
    edit(tour.checkout, SETTINGS, '"content": "www"', '"content": "ww"')
    try:
        done = tour.pyinfra("inventory.py", "deploy.py", "--data", "worker_conections=1")
    finally:
        (tour.checkout / SETTINGS).write_text(before)
    assert done.returncode == 1
    assert "4 mistakes" in done.stdout and "no machine was touched" in done.stdout, done.stdout
    for setting in ("virtual_router_id", "proxy", "sites[0].content", "worker_conections"):
        assert setting in done.stdout, done.stdout


def test_bare_machines_become_what_was_written(tour: Tour) -> None:
    done = tour.step("deploy.py")
    assert "done: changed" in done.stdout.splitlines()[-1]
    assert tour.holders() == ["web1"]


def test_the_same_again_is_nothing_to_do_and_says_little(tour: Tour) -> None:
    done = tour.nothing_to_do("deploy.py")
    assert len(done.stdout.splitlines()) <= 25, done.stdout


def test_verify_says_who_is_silent_behind_nginx(tour: Tour, application: UpstreamProcess) -> None:
    assert found(tour) == {"NGX-23": "warn"}
    application.start()
    assert found(tour) == {}


def test_what_was_written_is_served(tour: Tour) -> None:
    assert curl(tour, f"http://{VIP}/") == curl(tour, f"http://[{VIP6}]/") == "1\n"
    assert curl(tour, f"http://{NAMES[0]}/") == "first\n"
    assert curl(tour, f"http://{NAMES[1]}/") == "all is well\n"
    assert status(tour, f"http://{VIP}/api/page/1") == "200"
    staff = f"http://{VIP}:8080/staff/"
    assert [status(tour, staff), status(tour, "-u", "anna:word", staff)] == ["401", "200"]
    many = tour.lab.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} ", f"http://{VIP}:8080/[1-40]"]
    )
    assert "503" in many.stdout
    assert "nginx_up 1" in curl(tour, "http://10.20.0.12:9113/metrics")


def test_content_and_passwords_change(tour: Tour) -> None:
    (tour.checkout / "www/index.html").write_text("second\n")
    edit(tour.checkout, SETTINGS, "all is well", "all is better")
    edit(tour.checkout, "mine/htpasswd", "", "bert:{PLAIN}other\n")
    (tour.checkout / "mine/staff.conf.bak").touch()
    done = tour.step("deploy.py", moves=0)
    assert done.stdout.count("not used: staff.conf.bak") == 1
    assert "{PLAIN}" not in done.stdout
    (tour.checkout / "mine/staff.conf.bak").unlink()
    assert curl(tour, f"http://{NAMES[0]}/") == "second\n"
    assert status(tour, "-u", "bert:other", f"http://{VIP}:8080/staff/") == "200"


def test_a_snippet_that_nginx_refuses_is_refused_by_the_plan(tour: Tour) -> None:
    bad = tour.checkout / "mine/bad.conf"
    try:
        bad.write_text("no_such_directive on;\n")
        refused = tour.dry("deploy.py", rc=1).stdout
        # A site's name is no snippet's to take, and no machine has to be asked for that.
        bad.write_text(f"server {{ listen 80; server_name {NAMES[0]}; }}\n")
        taken = tour.pyinfra("inventory.py", "deploy.py").stdout
    finally:
        bad.unlink()
    assert refused.count('unknown directive "no_such_directive"') == 1, refused
    assert "bad.conf:1: server_name" in taken and "sites[0]" in taken, taken
    assert "Connecting" not in taken


def test_the_unit_changes(tour: Tour) -> None:
    edit(tour.checkout, SETTINGS, "", "worker_connections = 2048\n")
    tour.step("deploy.py", moves=2)


def test_tls_is_switched_on(tour: Tour) -> None:
    tour.before_tls = tour.on("web1", "basename $(readlink /var/lib/tandem/generations/present)")
    edit(tour.checkout, SETTINGS, "", newcomer.TLS)
    tour.step("deploy.py", moves=0)
    assert curl(tour, f"https://{VIP}/") == "1\n"
    assert status(tour, f"http://{NAMES[0]}/") == "301"


def test_another_machine_is_preferred_and_the_certificate_is_renewed(tour: Tour) -> None:
    certify(tour.checkout)
    edit(tour.checkout, "inventory.py", '"priority": 101', '"priority": 110')
    edit(tour.checkout, SETTINGS, "", "advert_interval_s = 0.2\n")
    tour.step("deploy.py", moves=1)
    assert tour.holders() == ["web3"]


def test_another_build_takes_over(tour: Tour) -> None:
    edit(tour.checkout, SETTINGS, '"--with-cc-opt=-O0"', '"--with-cc-opt=-O0", "--with-debug"')
    tour.step("deploy.py", moves=0)
    assert found(tour) == {}


def test_the_build_goes_back_and_then_the_preference(tour: Tour) -> None:
    tour.step("rollback.py", moves=0)
    assert found(tour) == {"X-25": "warn"}
    done = tour.step("rollback.py", moves=1)
    assert "to which it was rolled back" in done.stdout
    assert tour.holders() == ["web1"]
    assert found(tour) == {"X-25": "warn"}


def test_a_drained_machine_gives_the_vip_away_and_gets_it_back(tour: Tour) -> None:
    """Also while machines run another order than the settings have."""
    tour.step("switchover.py", "--data", "drain=web1", moves=1)
    assert tour.holders() == ["web2"]
    tour.nothing_to_do("switchover.py", "--data", "drain=web1")
    tour.step("switchover.py", "--data", "undrain=web1", moves=1)
    assert tour.holders() == ["web1"]


def test_back_before_tls(tour: Tour) -> None:
    generation = tour.before_tls.removesuffix(".json")
    tour.step("rollback.py", "--data", f"to={generation}")
    assert status(tour, f"http://{VIP}/") == "200"
    assert found(tour) == {"X-25": "warn"}


def test_forward_again_with_a_machine_replaced(tour: Tour) -> None:
    tour.lab.wipe("web3")
    tour.seen = None
    tour.step("deploy.py", moves=1)
    assert tour.holders() == ["web3"]
    assert found(tour) == {}


def test_all_of_it_is_taken_away(tour: Tour) -> None:
    done = tour.step("teardown.py", "--data", "yes=1")
    assert told.did(done.stdout)
    tour.nothing_to_do("teardown.py", "--data", "yes=1")
    assert tour.holders() == []
    assert "FAIL" in found(tour, wait_s=0, rc=1).values()
    for name in HOSTS:
        assert tour.on(name, "ls -d /etc/nginx /usr/lib/tandem /etc/tandem 2>/dev/null || :") == ""
