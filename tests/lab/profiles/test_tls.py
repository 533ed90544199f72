"""TLS and sites through the VIP: shown to clients, renewed, changed and removed under load."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.gateway import authority
from lab.twin import Lab
from tests.support import public_configurations
from tests.support.clients.load import asking
from tests.support.lab.breaking import VIP, edited, on, shell
from tests.support.lab.deployment import ROOT, Deployed, deploy, pyinfra, verify
from tests.support.lab.pair import changed_nothing
from tests.support.lab.steps import pieces_for_nginx
from tests.support.lab.steps.secured_pair import NAMES, Secured

HOSTS = ("host1", "host2")
PAGES = {"host1": "master.wangej.com", "host2": "slaves.wangej.com"}
LONG_AGO = datetime.now(UTC) - timedelta(days=10)
CURRENT = "/var/lib/tandem/sites/www.example.org/current"
# For whoever asks the VIP, and for nobody who asks a machine's own address.
ON_THE_VIP = f'server {{ listen {VIP}:8081; server_name vip.test; return 200 "vip\\n"; }}\n'


@pytest.fixture(scope="module")
def secured(
    lab: Lab, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    content = tmp_path_factory.mktemp("site")
    (content / "css").mkdir()
    (content / "index.html").write_text("first\n")
    (content / "css" / "a.css").write_text("b {}\n")
    for host in HOSTS:  # whatever other tests have killed
        on(lab, host, "systemctl reset-failed nginx")
    own = pieces_for_nginx.put(tmp_path_factory.mktemp("own"))
    snippets = tmp_path_factory.mktemp("snippets")
    (snippets / "vip.conf").write_text(ON_THE_VIP)
    now = Secured(lab, content, snippets, authority.issue(lab.state.root, NAMES), own)
    now.sites = [
        {"server_names": ["www.example.org", "example.org"], "content": str(content)},
        {"server_names": ["status.example.org"], "page": "all is well"},
    ]
    try:
        now.first = now.deploy("--diff")
        settled = verify(lab, *now.data(), "--data", "wait=60")
        assert settled.returncode == 0, settled.stdout
        yield now
    finally:
        back = deploy(lab)
        assert back.returncode == 0, back.stdout
        settled = verify(lab, "--data", "wait=60")
        assert settled.returncode == 0, settled.stdout
        for host in HOSTS:
            on(lab, host, "! ls -d /etc/nginx/tls/* /var/lib/tandem/sites/*/current")
            on(lab, host, "! ls -d /etc/nginx/files /etc/nginx/main.d /etc/nginx/server.d")


def test_clients_that_trust_the_authority_are_served_by_both_holders(
    lab: Lab, secured: Secured
) -> None:
    for holder, move in (("host1", ""), ("host2", "touch"), ("host1", "rm")):
        if move:
            on(lab, "host1", f"{move} /etc/keepalived/down")
        deadline = time.monotonic() + 15
        while holder not in _holding(lab) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert secured.curl(f"https://{VIP}/") == f"{PAGES[holder]}\n"
        assert secured.curl("https://example.org/css/a.css") == "b {}\n"
        assert secured.curl("https://status.example.org/") == "all is well\n"


def _holding(lab: Lab) -> list[str]:
    return [s.machine.name for s in lab.status() if any(VIP in a for a in s.addresses)]


def test_http_2_is_taken_and_http_leads_to_tls_but_for_what_machines_ask(secured: Secured) -> None:
    written = "-o/dev/null", "-w%{http_version} %{http_code} %{redirect_url}"
    assert secured.curl(*written, "https://www.example.org/") == "2 200 "
    found = secured.curl(*written, "http://www.example.org/a?b=c")
    assert found == "1.1 301 https://www.example.org/a?b=c"
    assert secured.curl(*written, f"http://{VIP}/tandem-health") == "1.1 200 "
    assert secured.curl(*written, f"http://{VIP}/.well-known/acme-challenge/x") == "1.1 404 "
    head = secured.curl("-I", f"https://{VIP}/").lower()
    assert "strict-transport-security: max-age=300" in head and "x-frame-options" in head


def test_http_3_is_told_of_and_answered_through_the_vip(lab: Lab, secured: Secured) -> None:
    told = 'alt-svc: h3=":443"; ma=3600'
    assert told in secured.curl("-I", "https://status.example.org/").lower()
    assert told not in secured.curl("-I", f"http://{VIP}/tandem-health").lower()
    client = [sys.executable, "-m", "tests.support.loopback.http3_client"]
    done = lab.run([*client, VIP, "443", "status.example.org"], cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "200 all is well\n\n"), done.stderr


def test_own_pieces_of_every_level_are_served_and_no_secret_is_shown(
    lab: Lab, secured: Secured
) -> None:
    assert secured.first
    for file in ("server.d/own.conf", "sites/www.example.org.conf"):
        assert f"/etc/nginx/{file}" in secured.first.stdout
    assert pieces_for_nginx.SECRET not in secured.first.stdout
    page = "https://www.example.org/own-page"
    user = ("-u", "anna:nobody-sees-this")
    assert secured.curl(*user, page) == "a page of files\n"
    assert secured.curl("-o/dev/null", "-w%{http_code}", page) == "401"
    assert secured.curl(*user, f"https://{VIP}/own-page") == "a page of files\n"
    assert secured.curl("https://status.example.org/own-site") == "host1\n"
    other = secured.curl("-o/dev/null", "-w%{http_code}", "https://www.example.org/own-site")
    assert other == "404", "it is the other site's alone"
    for host in HOSTS:
        modes = on(lab, host, "cd /etc/nginx && stat -c '%a %U:%G %n' files files/* files/deep/*")
        assert set(modes.splitlines()) == {
            *("750 root:nginx files", "750 root:nginx files/deep", "640 root:nginx files/users"),
            *("640 root:nginx files/deep/page.txt", "600 root:root files/deep/own.key"),
        }
        said = "server_tokens: .*/http.d/own.conf.j2:1 says it"
        on(lab, host, f"grep -q '{said}' /etc/nginx/nginx.conf")


def test_nginx_takes_what_public_projects_document(
    lab: Lab, secured: Secured, tmp_path: Path
) -> None:
    tls = {"tls_certificate": str(secured.certificate.certificate)}
    tls["tls_key"] = str(secured.certificate.key)
    said = pieces_for_nginx.judged(lab, "host1", tmp_path, tls)
    assert len(said) > 10
    assert {name: told for name, told in said.items() if not told.startswith("0:")} == {}


def test_a_machine_without_the_vip_listens_on_it_all_the_same(lab: Lab, secured: Secured) -> None:
    for host, own in zip(HOSTS, ("172.16.12.61", "172.16.12.62"), strict=True):
        on(lab, host, f"nginx -t -q && ss -Hltn 'src {VIP}:8081' | grep -q {VIP}:8081")
        kept = "/etc/sysctl.d/62-tandem-nginx.conf"
        on(lab, host, f"grep -q '^net.ipv4.ip_nonlocal_bind = 1$' {kept}")
        on(lab, host, f"! curl -qs -m 3 --noproxy '*' http://{own}:8081/")
    on(lab, "host2", "systemctl restart nginx")
    assert secured.curl(f"http://{VIP}:8081/") == "vip\n"


def test_what_is_older_than_tls_1_2_is_refused(lab: Lab, secured: Secured) -> None:
    asks = ["openssl", "s_client", "-connect", f"{VIP}:443"]
    for option, expected in (
        (["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], "alert protocol version"),
        (["-tls1_2"], "New, TLSv1.2, Cipher is ECDHE"),
        (["-tls1_3"], "New, TLSv1.3"),
    ):
        done = lab.run([*asks, *option], input="")
        assert expected in done.stdout + done.stderr


def test_the_key_is_nobodys_but_roots_and_nobody_is_told(lab: Lab, secured: Secured) -> None:
    secret = secured.certificate.key.read_text().splitlines()[1]
    assert secured.first and "/etc/nginx/tls/default.pem" in secured.first.stdout
    assert secret not in secured.first.stdout
    for host in HOSTS:
        assert on(lab, host, "stat -c '%a %U' /etc/nginx/tls/*.key") == "600 root\n"
        # Nor is there a copy that somebody else could read.
        on(lab, host, f"! find /tmp /var/tmp /root -type f | xargs -r grep -lF {secret}")
        others = f"su nginx -s /bin/sh -c 'grep -rlsF {secret} /etc /var/lib /var/log /tmp /run'"
        on(lab, host, f"! {others}")


def test_a_second_deploy_changes_nothing_and_sends_nothing(secured: Secured) -> None:
    done = secured.deploy()
    assert changed_nothing(done.stdout)


def test_a_renewal_loses_nothing_and_a_site_changes_at_once(lab: Lab, secured: Secured) -> None:
    def shown() -> str:
        asks = f"openssl s_client -connect {VIP}:443 </dev/null | openssl x509 -noout -serial"
        return str(lab.run(["sh", "-c", asks]).stdout)

    def masters() -> list[str]:
        return [on(lab, host, "cat /run/nginx/nginx.pid") for host in HOSTS]

    before, processes = shown(), masters()
    secured.certificate = authority.issue(lab.state.root, NAMES)
    (secured.content / "index.html").write_text("second\n")
    with asking(lab, rate=50, tls=True) as seen:
        secured.deploy()
    assert seen.lost == {}
    assert shown() != before
    assert masters() == processes  # a reload, no restart
    assert secured.curl("https://www.example.org/") == "second\n"
    for host in HOSTS:
        assert_kept_for_a_rollback(lab, host)


def assert_kept_for_a_rollback(lab: Lab, host: str) -> None:
    """Of the site there are several versions, and each is named by a generation."""
    versions = on(lab, host, f"cd {CURRENT}/.. && ls -d *.whole").split()
    assert len(versions) > 1
    for version in versions:
        digest = version.partition(".")[0]
        on(lab, host, f"grep -q '\"{digest}\"' /var/lib/tandem/generations/*.json")


def test_a_site_that_is_taken_out_is_served_no_more_and_kept_for_a_rollback(
    lab: Lab, secured: Secured
) -> None:
    kept, removed = secured.sites
    secured.sites = [kept]
    try:
        (secured.content / "index.html").write_text("third\n")
        secured.deploy()
        # It is a name that nobody has: no handshake, and no answer.
        assert secured.asked("https://status.example.org/").returncode == 35
        assert secured.asked("http://status.example.org/").returncode in (52, 56)
        assert secured.curl(f"https://{VIP}/") == f"{PAGES['host1']}\n"
        assert secured.curl("https://www.example.org/") == "third\n"
        for host in HOSTS:
            assert on(lab, host, "ls -d /var/lib/tandem/sites/*/current") == f"{CURRENT}\n"
            assert_kept_for_a_rollback(lab, host)
        assert secured.bad() == set()
    finally:
        secured.sites = [kept, removed]
        secured.deploy()


def test_each_tls_fault_is_found_by_its_check(lab: Lab, secured: Secured) -> None:
    key, pem = "/etc/nginx/tls/default.key", "/etc/nginx/tls/default.pem"
    with shell(lab, "host2", f"chmod 644 {key}", f"chmod 600 {key}"):
        assert secured.bad() == {"TLS-02", "NGX-20", "SYS-08"}
    reload = "systemctl reload nginx"
    old = "s/TLSv1.2 TLSv1.3/TLSv1.1 TLSv1.2 TLSv1.3/; s/ECDHE-ECDSA-AES128/ALL:@SECLEVEL=0:&/"
    with edited(lab, "host2", "/etc/nginx/nginx.conf", old, reload):
        assert secured.bad() == {"TLS-03", "X-13"}
    changed = f"sh -c 'echo changed >>{CURRENT}/index.html'"
    with shell(lab, "host2", f"cp -a {CURRENT}/index.html /run/kept && {changed}", "true"):
        assert secured.bad() == {"X-14"}
    secured.deploy()  # which notices
    expired = authority.issue(lab.state.root, NAMES, name="expired", begins=LONG_AGO, days=9)
    soon = authority.issue(lab.state.root, NAMES, name="soon", days=13)
    for issued, expected in ((expired, {"TLS-01", "X-15"}), (soon, {"TLS-01", "X-15"})):
        texts = {path.suffix: path.read_text() for path in (issued.certificate, issued.key)}
        keep = f"cp -a {key} {pem} /run/"
        put = f"cat >{pem} <<'E'\n{texts['.pem']}E\ncat >{key} <<'E'\n{texts['.key']}E\n{reload}"
        back = f"mv /run/default.key {key} && mv /run/default.pem {pem} && {reload}"
        with shell(lab, "host2", f"{keep} && {put}", back):
            assert secured.bad() == expected


def test_what_cannot_work_is_refused_before_any_machine_is_touched(
    lab: Lab, secured: Secured, tmp_path: Path
) -> None:
    expired = authority.issue(
        lab.state.root, ["example.net"], name="expired", begins=LONG_AGO, days=9
    )
    sites = [{"server_names": ["www.example.org"], "content": str(tmp_path / "nowhere")}]
    done = pyinfra(
        lab,
        *("-y", "inventory.py", "deploy.py"),
        *("--data", f"tls_certificate={expired.certificate}", "--data", f"tls_key={tmp_path}"),
        *("--data", f"sites={json.dumps(sites)}"),
    )
    assert done.returncode == 1 and "Connecting" not in done.stdout
    assert "Refused: 3 mistakes" in done.stdout, done.stdout
    for said in ("is for example.net, and not for", "cannot be read", "nowhere"):
        assert said in done.stdout
    # That it has expired is said where it would be put newly into service.
    pair = ("--data", f"tls_certificate={expired.certificate}", "--data", f"tls_key={expired.key}")
    done = pyinfra(lab, "-y", "inventory.py", "deploy.py", *pair)
    assert done.returncode == 1 and "has expired on" in done.stdout, done.stdout
    assert "Starting operation" not in done.stdout


def test_an_answer_for_an_authority_is_given_by_both_machines(lab: Lab, secured: Secured) -> None:
    """docs/tls.md's hooks, as certbot calls them."""
    words = ["CERTBOT_TOKEN=tried-1_2", "CERTBOT_VALIDATION=tried-1_2.thumb"]
    url = "/.well-known/acme-challenge/tried-1_2"

    def hook(name: str) -> None:
        done = lab.run(["env", *words, f"docs/certbot/{name}"])
        assert done.returncode == 0, done.stdout + done.stderr

    hook("authenticate")
    try:
        for address in (VIP, *(machine.address for machine in lab.machines)):
            asks = ["curl", "-sS", "--max-time", "3", f"http://{address}{url}"]
            assert lab.run(asks).stdout == "tried-1_2.thumb"
    finally:
        hook("clean-up")
    for host in HOSTS:
        on(lab, host, "! ls /usr/html/.well-known/acme-challenge/*")


def test_public_projects_over_tls_are_deployed_beside_it(
    lab: Lab, secured: Secured, tmp_path: Path
) -> None:
    """The last one: they stay until the module has ended."""
    projects = {
        **{"cloud": "nextcloud", "home": "home-assistant", "media": "jellyfin"},
        **{"matrix": "synapse", "social": "mastodon", "vault": "vaultwarden"},
    }
    given = public_configurations.together(tmp_path, projects.values())
    for host in HOSTS:
        pieces_for_nginx.lend_certificates(lab, host, secured.certificate)
    secured.own, secured.snippets = (
        Path(given.pop(name)) for name in ("nginx_files", "nginx_snippets")
    )
    words = public_configurations.data(given)
    secured.deploy(*(word for each in words for word in ("--data", each)))
    answers = {
        name: secured.curl(
            *("-k", "-o/dev/null", "-w%{http_code}", "--resolve", f"{name}.example.org:443:{VIP}"),
            f"https://{name}.example.org/",
        )
        for name in projects
    }
    # Most ask an application that is not there.
    assert answers == dict.fromkeys(projects, "502") | {"cloud": "404", "matrix": "200"}, answers
    assert secured.curl("https://status.example.org/") == "all is well\n"
