"""What the verifier makes of a handshake, a key and a site, and of machines that differ."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from tests.support import fakes
from tests.support.snapshots import BOTH, DEFAULT, Spoiled, bad, said, told
from verify.checks.check import Outcome
from verify.observe import tls_probes
from verify.observe.probe import whole
from verify.read.system_output import system
from verify.read.tls_output import session

ONLY = "TLS,X-14,X-15"
REFUSED = """\
CONNECTED(00000003)
40E7:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../ssl/record.c:1602:
no peer certificate available
New, (NONE), Cipher is (NONE)
    Protocol  : TLSv1.1
"""
TLS_1_2 = """\
CONNECTED(00000003)
New, TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384
No ALPN negotiated
    Protocol  : TLSv1.2
"""
NAME = "www.example.org"


def now() -> datetime:
    return datetime.fromtimestamp(system(said(DEFAULT, "host1", "system")).now, UTC)


def handshake(issued: authority.Issued) -> str:
    chain = issued.certificate.read_text()
    return f"CONNECTED(00000003)\n{chain}New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\n" + (
        "ALPN protocol: h2\nVerify return code: 19\n"
    )


def serves(pair: Spoiled, host: str, text: str) -> Spoiled:
    """This handshake, of a certificate that is on the disk too."""
    pems = "".join(re.findall(r"-----BEGIN CERT.+?END CERTIFICATE-----\n", text, re.DOTALL))
    pair.answer(host, "tls_served:default", text)
    return pair.answer(host, "tls_chains", f"file default\n{pems}")


@pytest.fixture
def issue(tmp_path: Path) -> Callable[..., str]:
    def made(*names: str, days: float = 90) -> str:
        # The sample was gathered some time ago: an authority that is as old.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(authority, "CA_DAYS", 3650)
            patch.setattr(authority, "EARLIER", timedelta(days=700))
            return handshake(authority.issue(tmp_path, names or (NAME,), begins=now(), days=days))

    return made


@pytest.fixture
def pair(issue: Callable[..., str]) -> Spoiled:
    """A pair with TLS and one site, as far as these checks look at it."""
    spoiled = Spoiled(DEFAULT)
    for cluster in spoiled.data["clusters"]:
        for node in cluster["nodes"]:
            node |= {"tls_certificate": "c", "tls_key": "k"}
            node["sites"] = [{"server_names": [NAME], "page": "x"}]
    served = issue()
    for host in BOTH:
        for probe, text in {
            "tls_served:default": "",
            "tls_chains": "",
            "tls_1_1": REFUSED,
            "tls_1_2": TLS_1_2,
            "tls_files": "600 root:root fits /etc/nginx/tls/default.key",
            "sites": f"{NAME} d1 aa",
        }.items():
            section = {"command": probe, "status": 0, "text": told(text)}
            spoiled.data["looks"][host]["sections"][probe] = section
        serves(spoiled, host, served)
    return spoiled


def test_a_pair_that_serves_alike_passes(pair: Spoiled) -> None:
    assert {f.outcome for f in pair.judge(ONLY).findings} == {Outcome.OK}


def test_without_tls_and_sites_each_is_skipped_with_the_reason() -> None:
    found = Spoiled(DEFAULT).judge(ONLY).findings
    assert {f.outcome for f in found} == {Outcome.SKIP}
    assert {f.answer.actual for f in found} == {
        "TLS is off (tls_certificate)",
        "no deploy brings files to serve (sites, paths)",
    }


@pytest.mark.parametrize(
    ("probe", "text", "expected"),
    [
        ("tls_1_1", TLS_1_2.replace("1.2", "1.1"), {"TLS-03"}),
        ("tls_1_1", "CONNECTED(00000003)\nno peer certificate available\n", {"TLS-03"}),
        ("tls_1_2", REFUSED, {"TLS-03"}),
        ("tls_files", "600 root:root differs /etc/nginx/tls/default.key", {"TLS-02"}),
        ("tls_files", "640 root:root fits /etc/nginx/tls/default.key", {"TLS-02"}),
        ("tls_files", "600 nginx:nginx fits /etc/nginx/tls/default.key", {"TLS-02"}),
        ("sites", f"{NAME} d1 bb", {"X-14"}),
        ("sites", f"{NAME} - -", {"X-14"}),
        ("sites", f"{NAME} d1 aa\nold.org d2 cc", {"X-14"}),
        ("sites", f"{NAME} d1 aa\nold.org - -", set()),  # kept for a rollback
        ("sites", "none", {"X-14"}),
    ],
)
def test_what_is_wrong_is_found_by_one_check(
    pair: Spoiled, probe: str, text: str, expected: set[str]
) -> None:
    assert bad(pair.answer("host2", probe, text).judge(ONLY)) == expected


def test_an_http_2_that_is_not_offered_is_found(pair: Spoiled) -> None:
    pair.replace("host1", "tls_served:default", "ALPN protocol: h2", "No ALPN negotiated")
    assert bad(pair.judge(ONLY)) == {"TLS-03"}


@pytest.mark.parametrize(
    ("days", "outcome"), [(15, Outcome.OK), (13, Outcome.WARN), (-1, Outcome.FAIL)]
)
def test_a_certificate_is_warned_of_before_it_expires(
    pair: Spoiled, issue: Callable[..., str], days: float, outcome: Outcome
) -> None:
    text = issue(days=days)
    for host in BOTH:
        serves(pair, host, text)
    found = {f.outcome for f in pair.judge(ONLY).findings if f.id == "TLS-01"}
    assert found == {outcome}


def test_a_certificate_for_another_name_is_found_and_one_machine_alone_has_it(
    pair: Spoiled, issue: Callable[..., str]
) -> None:
    verdict = serves(pair, "host2", issue("example.net")).judge(ONLY)
    assert bad(verdict) == {"TLS-01", "X-15"}
    (finding,) = (finding for finding in verdict.bad if finding.id == "TLS-01")
    assert f"is for example.net, and not for {NAME}" in finding.answer.actual
    assert finding.command == "tls_served:default\n" + pair.section("host2", "system")["command"]


def test_a_renewal_that_nginx_has_not_read_is_found(
    pair: Spoiled, issue: Callable[..., str]
) -> None:
    served = pair.section("host2", "tls_served:default")["text"]
    verdict = serves(pair, "host2", issue(days=80)).answer("host2", "tls_served:default", served)
    (finding,) = verdict.judge(ONLY).bad
    assert (finding.id, finding.host) == ("TLS-04", "host2")
    assert re.search(
        r"default: served \w+ until [\d-]+, on the disk \w+ until", finding.answer.actual
    )


def test_a_chain_that_is_served_without_its_issuer_is_found(pair: Spoiled) -> None:
    text = pair.section("host1", "tls_served:default")["text"]
    first, between, rest = text.partition("-----END CERTIFICATE-----\n")
    assert between
    alone = first + between + rest.rpartition("-----END CERTIFICATE-----\n")[2]
    assert "TLS-04" in bad(pair.answer("host1", "tls_served:default", alone).judge(ONLY))


@pytest.mark.parametrize(
    "text", ["", "file default\nsed: can't read default.pem", "default", "file default\n"]
)
def test_without_the_files_nobody_knows_what_should_be_served(pair: Spoiled, text: str) -> None:
    assert bad(pair.answer("host1", "tls_chains", text).judge(ONLY)) == {"TLS-04"}


def test_a_machine_without_openssl_cannot_tell(pair: Spoiled) -> None:
    pair.answer("host1", "tls_files", "openssl is not installed", 127)
    (finding,) = pair.judge(ONLY).bad
    assert (finding.outcome, finding.answer.actual) == (Outcome.UNKNOWN, "openssl is not installed")


def test_handshakes_are_read(issue: Callable[..., str]) -> None:
    assert session(REFUSED).version == "" and "protocol version" in session(REFUSED).refusal
    found = session(issue())
    assert (found.version, found.protocol, len(found.chain)) == ("TLSv1.3", "h2", 2)
    with pytest.raises(ValueError, match="no answer"):
        session("sh: 1: segmentation fault")


def test_a_site_with_a_certificate_of_its_own_is_asked_for_by_its_name(pair: Spoiled) -> None:
    for cluster in pair.data["clusters"]:
        for node in cluster["nodes"]:
            node["sites"][0] |= {"tls_certificate": "c", "tls_key": "k"}
    node = pair.snapshot.clusters[0].nodes[0]
    assert [pair.name for pair in node.certificates] == ["default", NAME]


# --- what is asked ---

CLIENT = """\
#!/bin/sh
cat <<'END'
New, TLSv1.2, Cipher is X
ALPN protocol: h2
SSL-Session:
    Protocol  : TLSv1.2
    Session-ID: 61E1
    Master-Key: 99AA
    TLS session ticket lifetime hint: 86400 (seconds)
    TLS session ticket:
    0000 - 3b 3b 3b 3b   ;;;;

    Start Time: 1
---
Post-Handshake New Session Ticket arrived:
    Resumption PSK: 77BB
    Start Time: 2
END
exit 1
"""


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_nothing_is_kept_of_a_session_but_what_every_session_has(
    tmp_path: Path, shell: str
) -> None:
    """With a ticket's bytes an answer would be another each time, and look like anything."""
    client = tmp_path / "openssl"
    client.write_text(CLIENT)
    client.chmod(0o755)
    issued = authority.issue(tmp_path, (NAME,))
    tls: dict[str, Any] = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    (cluster,) = settings.load(fakes.inventory(**tls))
    (bundle,) = tls_probes.bundles(cluster.nodes[0])
    (probe,) = (each for each in bundle.probes if each.name == "tls_1_2")
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([shell, "-c", probe.command], capture_output=True, text=True, env=path)
    assert (done.returncode, done.stderr) == (1, "")
    assert probe.shown == "openssl s_client -connect 127.0.0.1:443 -noservername -tls1_2"
    answer = whole(done.stdout)
    assert not any(word in answer for word in ("61E1", "99AA", "77BB", ";;;;", "Start Time: 2"))
    found = session(answer)
    assert (found.version, found.protocol) == ("TLSv1.2", "h2")
    assert "Start Time: 1\n---" in answer
