"""NGX-19: which advisories concern a build, and what the verifier makes of it."""

from __future__ import annotations

import itertools

import pytest
from gixy.plugins import _nginx_cves_db as gixy_table

from settings import releases
from settings.serving.http_versions import HTTP2_FLAG
from tests.support import fakes
from tests.support.snapshots import DEFAULT, Spoiled
from verify.checks.check import Outcome
from verify.read import advisories
from verify.read.advisories import parse

FLAGS = releases.DOCUMENTED_FLAGS


def cves(release: str, *flags: str) -> set[str]:
    return {item.cve for item in advisories.known(release, flags)}


def test_only_what_is_compiled_in_counts() -> None:
    http2 = "CVE-2026-123007"
    assert http2 not in cves("1.30.6", *FLAGS)
    assert http2 in cves("1.30.6", *FLAGS, "--with-http_v2_module")
    mp4 = "CVE-2026-32647"
    assert mp4 not in cves("1.26.3", *FLAGS)
    assert mp4 in cves("1.26.3", *FLAGS, "--with-http_mp4_module")


def test_a_default_module_counts_until_it_is_left_out() -> None:
    ssi = "CVE-2026-56434"
    assert ssi in cves("1.26.3", *FLAGS)
    assert ssi not in cves("1.26.3", *FLAGS, "--without-http_ssi_module")


def test_a_fault_in_two_modules_needs_one_of_them_and_one_between_two_needs_both() -> None:
    either = "CVE-2026-42946"
    assert either in cves("1.26.3", "--without-http_scgi_module")
    assert either not in cves("1.26.3", "--without-http_scgi_module", "--without-http_uwsgi_module")
    both = "CVE-2026-120967"
    assert both not in cves("1.26.3", "--with-stream")
    assert both in cves("1.26.3", "--with-stream=dynamic", "--with-stream_ssl_module")


@pytest.mark.parametrize(
    ("release", "affected"),
    [("1.27.3", True), ("1.26.2", True), ("1.26.3", False), ("1.27.4", False), ("1.28.0", False)],
)
def test_a_branch_that_was_mended_is_good_though_it_lies_within_the_range(
    release: str, affected: bool
) -> None:
    """CVE-2025-23419: vulnerable 1.11.4 to 1.27.3, mended in 1.26.3 and 1.27.4."""
    assert ("CVE-2025-23419" in cves(release, *FLAGS)) is affected


def test_the_release_that_mends_it_all_is_named() -> None:
    found = advisories.known("1.26.3", FLAGS)
    assert advisories.remedy("1.26.3", found) == "1.30.7"
    assert not advisories.known("1.30.7", FLAGS)


def test_the_worst_comes_first() -> None:
    order = [item.severity for item in advisories.known("1.26.3", FLAGS)]
    assert [severity for severity, _ in itertools.groupby(order)] == ["major", "medium", "low"]


def test_the_table_is_whole() -> None:
    seen = [item.cve for item in advisories.table().advisories]
    assert len(seen) == len(set(seen))
    for item in advisories.table().advisories:
        assert item.modules and item.vulnerable and item.fixed
        # The first good release of a branch is good, and the ends of the ranges make sense.
        assert not any(item.affects(good) for good in item.fixed), item.cve
        for span in item.vulnerable:
            low, _, high = span.partition("-")
            assert parse(low) <= parse(high or low)


def test_nothing_that_gixy_knows_is_missing() -> None:
    """An update of gixy that knows more says here that the table wants one, too."""
    ours = {item.cve: item for item in advisories.table().advisories}
    for theirs in gixy_table.CVES:
        assert theirs["id"] in ours
        for release in (*releases.SHA256, "1.28.3", "1.29.5", "1.4.1"):
            judged = gixy_table.in_any_range(parse(release), theirs["affected_oss"])
            assert ours[theirs["id"]].affects(release) == judged, (theirs["id"], release)


def judged(strict: bool) -> Outcome:
    spoiled = Spoiled(DEFAULT)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["strict"] = strict
    return spoiled.judge("NGX-19").findings[0].outcome


def test_it_warns_and_fails_where_that_is_asked_for() -> None:
    assert judged(strict=False) is Outcome.WARN
    assert judged(strict=True) is Outcome.FAIL


def test_a_release_without_a_known_one_passes() -> None:
    spoiled = Spoiled(DEFAULT)
    for host in ("host1", "host2"):
        spoiled.replace(host, "nginx_version", "nginx/1.26.3", "nginx/1.30.7")
    verdict = spoiled.judge("NGX-19")
    assert verdict.passed and verdict.count(Outcome.OK) == 2
    assert advisories.table().as_of in verdict.findings[0].answer.actual


def test_the_default_release_has_no_known_hole_in_what_is_compiled() -> None:
    """Red when the table learns of one: then the default in group_data/all.py is to be raised."""
    default = fakes.defaults()["nginx_version"]
    flags = (*releases.DOCUMENTED_FLAGS, HTTP2_FLAG, releases.PERL_FLAG)
    assert [item.cve for item in advisories.known(default, flags)] == []
