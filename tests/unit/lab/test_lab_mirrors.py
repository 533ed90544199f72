"""Package mirrors: parsed from apt, and configured in guests."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.host.mirrors import Mirrors, parse, sources, through

TARGETS = """\
Debian|Debian|http://mirror.example.org/debian/
Debian|Debian|http://mirror.example.org/debian/
Debian|Debian-Security|https://safe.example.org/debian-security/
Elsewhere|Tools|http://tools.example.org/apt/
"""
CONFIGURATION = """\
Acquire::Check-Valid-Until "false";
Acquire::http "";
"""


def test_the_archives_are_debians_and_nobody_elses() -> None:
    mirrors = parse(TARGETS, CONFIGURATION, "")
    assert mirrors == Mirrors(
        main="http://mirror.example.org/debian/",
        security="https://safe.example.org/debian-security/",
        options=(("Acquire::Check-Valid-Until", "false"),),
        upstream="",
    )
    assert mirrors.host_names == ("mirror.example.org", "safe.example.org")


def test_one_host_for_both_archives_is_named_once() -> None:
    targets = TARGETS.replace("https://safe", "http://mirror")
    assert parse(targets, "", "").host_names == ("mirror.example.org",)


@pytest.mark.parametrize("targets", ["", "Debian|Debian|file:/media/cdrom/\n"])
def test_without_a_mirror_the_remedy_is_named(targets: str) -> None:
    with pytest.raises(LabError, match="apt-get update"):
        parse(targets, "", "")


@pytest.mark.parametrize(
    ("configuration", "environment", "upstream"),
    [
        ('Acquire::http::Proxy "http://proxy:3128";', "", "http://proxy:3128"),
        ("", "http://proxy:8080", "http://proxy:8080"),
        ('Acquire::http::Proxy "DIRECT";', "http://proxy:8080", ""),
    ],
)
def test_this_machines_own_proxy_is_used(
    configuration: str, environment: str, upstream: str
) -> None:
    assert parse(TARGETS, configuration, environment).upstream == upstream


def test_guests_have_sources_for_their_own_suite() -> None:
    assert sources(parse(TARGETS, "", ""), "trixie") == [
        "deb http://mirror.example.org/debian/ trixie main",
        "deb http://mirror.example.org/debian/ trixie-updates main",
        "deb https://safe.example.org/debian-security/ trixie-security main",
    ]


def test_without_a_security_archive_there_is_no_source_for_it() -> None:
    mirrors = parse(TARGETS.splitlines()[0], "", "")
    assert [line.split()[2] for line in sources(mirrors, "trixie")] == ["trixie", "trixie-updates"]


def test_the_package_proxy_takes_precedence_over_this_machines_own_proxy() -> None:
    lines = through(parse(TARGETS, CONFIGURATION, ""), "http://172.16.0.1:3128")
    assert 'Acquire::Check-Valid-Until "false";' in lines
    assert 'Acquire::http::Proxy "http://172.16.0.1:3128";' in lines
    assert 'Acquire::http::Proxy::mirror.example.org "http://172.16.0.1:3128";' in lines
    assert 'Acquire::https::Proxy::safe.example.org "http://172.16.0.1:3128";' in lines
