"""A certificate that clients would refuse is refused before any machine is touched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from lab.gateway import authority
from settings.mistakes import certificate_mistakes
from settings.secret_origins import SecretOrigin
from settings.serving.site import Certificate

NAMES = ("www.example.org", "*.shop.example.org", "10.0.0.9")


def found(issued: authority.Issued, *names: str, days_later: float = 0) -> list[tuple[str, str]]:
    now = datetime.now(UTC) + timedelta(days=days_later)
    pair = Certificate(
        "web", str(issued.certificate), SecretOrigin("tls_key", str(issued.key)), names
    )
    return [
        (mistake.setting, mistake.remedy)
        for mistake in certificate_mistakes.mistakes("host1", pair, now)
    ]


def test_what_a_browser_takes_is_taken(tmp_path: Path) -> None:
    issued = authority.issue(tmp_path, NAMES)
    assert found(issued, "www.example.org", "a.shop.example.org", "10.0.0.9") == []


@pytest.mark.parametrize(
    ("days_later", "said"),
    [(91, "www.example.org has expired on"), (-1, "is not valid before")],
)
def test_a_time_that_is_not_its_own(tmp_path: Path, days_later: float, said: str) -> None:
    issued = authority.issue(tmp_path, NAMES)
    mistakes = found(issued, days_later=days_later)
    assert said in mistakes[0][1] and mistakes[0][0] == "tls_certificate"


@pytest.mark.parametrize(
    "name", ["example.org", "shop.example.org", "a.b.shop.example.org", "10.0.0.8"]
)
def test_a_name_that_is_not_in_it(tmp_path: Path, name: str) -> None:
    (mistake,) = found(authority.issue(tmp_path, NAMES), "www.example.org", name)
    said = "is for www.example.org, *.shop.example.org, 10.0.0.9, and not for "
    assert mistake == ("tls_certificate", said + name)


def test_another_certificates_key(tmp_path: Path) -> None:
    one, other = authority.issue(tmp_path, NAMES), authority.issue(tmp_path, NAMES, name="other")
    (mistake,) = found(one._replace(key=other.key))
    assert mistake == ("tls_key", "is not the key of web.pem; give the two that belong")


def test_a_key_that_wants_a_password(tmp_path: Path) -> None:
    issued = authority.issue(tmp_path, NAMES)
    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    issued.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    (mistake,) = found(issued)
    assert mistake[0] == "tls_key" and "is encrypted" in mistake[1]


def _reversed(issued: authority.Issued) -> None:
    pems = issued.certificate.read_text().split("-----END CERTIFICATE-----\n")
    issued.certificate.write_text("-----END CERTIFICATE-----\n".join([pems[1], pems[0], ""]))


@pytest.mark.parametrize(
    ("damage", "setting", "said"),
    [
        (_reversed, "tls_certificate", "was not issued by the one after it"),
        (lambda issued: issued.certificate.unlink(), "tls_certificate", "No such file"),
        (lambda issued: issued.certificate.write_text(""), "tls_certificate", "no certificate"),
        (lambda issued: issued.key.write_text("x"), "tls_key", "holds no private key"),
        (lambda issued: issued.key.unlink(), "tls_key", "No such file"),
        (
            lambda issued: issued.certificate.write_text(
                issued.certificate.read_text() + issued.key.read_text()
            ),
            "tls_certificate",
            "holds a private key, too",
        ),
    ],
)
def test_files_that_nginx_or_a_browser_would_refuse(
    tmp_path: Path, damage: Callable[[authority.Issued], object], setting: str, said: str
) -> None:
    issued = authority.issue(tmp_path, NAMES)
    damage(issued)
    mistake = found(issued)[0]
    assert mistake[0] == setting and said in mistake[1]


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    issued = authority.issue(tmp_path, NAMES)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    said = "cannot be read (Permission denied); give a PEM file"
    assert found(issued) == [("tls_certificate", said), ("tls_key", said)]


def test_the_authoritys_own_key_is_nobody_elses(tmp_path: Path) -> None:
    issued = authority.issue(tmp_path, NAMES)
    for key in (issued.key, issued.ca.with_suffix(".key")):
        assert key.stat().st_mode & 0o777 == 0o600
