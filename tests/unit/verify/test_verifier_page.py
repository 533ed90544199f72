"""The verifier's page: the verdict first, everything in it, nothing that could do harm."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.reading_pages import Page
from tests.support.snapshots import BARE, Spoiled
from verify.judge import VerifierVerdict
from verify.report import prometheus, report_files, verifier_page


def _broken() -> VerifierVerdict:
    spoiled = Spoiled().replace("host1", "units", "UnitFileState=enabled", "UnitFileState=disabled")
    del spoiled.data["looks"]["host2"]["sections"]["failed_units"]
    spoiled.vrrp("host1", "vrrp_before", ip_ttl_err=1).vrrp("host1", ip_ttl_err=1)
    return spoiled.judge()


def _verdicts() -> list[VerifierVerdict]:
    return [
        Spoiled().judge(),
        _broken(),
        Spoiled(BARE).judge(),
        Spoiled().lose("host1").judge(),
        Spoiled().lose("host1").lose("host2").judge(),
    ]


def test_its_tags_are_balanced_and_its_links_lead_somewhere() -> None:
    for verdict in _verdicts():
        assert Page(verifier_page.page(verdict)).faults == []


def test_it_fetches_and_runs_nothing() -> None:
    for verdict in _verdicts():
        assert Page(verifier_page.page(verdict)).fetches == []


def test_the_verdict_comes_first() -> None:
    page = Page(verifier_page.page(_broken()))
    text = page.text[page.text.index("Tandem verifier\n") :]
    first = text[: text.index("What to look at")]
    assert "It does not hold: 2 failed, 1 cannot be told. Begin with KA-01 on host1." in first
    assert "172.16.12.254/16 is on host1 (eth0:0)" in first and "2 machines asked on" in first


def test_every_finding_can_be_opened() -> None:
    for verdict in _verdicts():
        assert Page(verifier_page.page(verdict)).count("details") == len(verdict.findings)


def test_what_is_bad_stands_open_and_begins_with_what_explains_the_rest() -> None:
    html = verifier_page.page(_broken())
    found = re.findall(r'<article class="trouble (\w+)">\s*<h3>.*?</span> ([A-Z]+-\d+)', html)
    assert found == [
        ("fail", "KA-01"),
        ("fail", "NGX-09"),
        ("unknown", "SYS-05"),
        ("warn", "NGX-19"),
        ("warn", "KA-10"),
        ("warn", "NGX-19"),
    ]
    assert "<article" not in verifier_page.page(Spoiled().judge(skip="NGX-19"))


def test_findings_across_the_cluster_come_before_those_of_machines() -> None:
    html = verifier_page.page(_broken())
    places = re.findall(r'<h3 id="([^"]+)">', html)
    assert places == ["web", "web-host1", "web-host2"]


def test_a_command_can_be_copied_without_the_words_about_it() -> None:
    html = verifier_page.page(Spoiled().judge())
    commands = re.findall(r"<pre>(.*?)</pre>", html, re.DOTALL)
    assert len(commands) > 90
    assert not [command for command in commands if re.search(r"\((on \w+|from here)\)$", command)]
    assert '<span class="note">from here</span>' in html


def test_what_machines_say_is_text() -> None:
    spoiled = Spoiled().lose("host1", '<script>alert(1)</script> & "more"')
    html = verifier_page.page(spoiled.judge())
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html
    assert "<script>alert(1)</script>" in Page(html).text


def test_two_clusters_have_a_section_each() -> None:
    spoiled = Spoiled()
    other = Spoiled().data["clusters"][0]
    other["name"] = "shop.more"
    for node in other["nodes"]:
        node.update(cluster="shop.more", name=node["name"].replace("host", "shop"))
    spoiled.data["clusters"].append(other)
    for name in ("host1", "host2"):
        shop = name.replace("host", "shop")
        spoiled.data["looks"][shop] = {**Spoiled().data["looks"][name], "host": shop}
    page = Page(verifier_page.page(spoiled.judge()))
    assert page.faults == []
    assert "Cluster web" in page.text and "Cluster shop.more" in page.text
    assert {"web-host1", "shop-more-shop1"} <= set(page.ids)


def test_a_run_that_left_a_machine_out_says_so() -> None:
    limited = Spoiled()
    del limited.data["looks"]["host2"]
    html = verifier_page.page(limited.judge())
    assert "Left out: host2." in html and 'class="verdict warn"' in html


def test_it_is_the_same_every_time_and_small() -> None:
    assert verifier_page.page(_broken()) == verifier_page.page(_broken())
    assert len(verifier_page.page(_broken())) < 225_000


def test_page_and_gauges_are_written_beside_the_other_reports(tmp_path: Path) -> None:
    verdict = _broken()
    report_files.write(verdict, tmp_path)
    assert (tmp_path / "tandem.prom").read_text() == prometheus.text(verdict)
    assert (tmp_path / "report.html").read_text() == verifier_page.page(verdict)
    assert not list(tmp_path.glob(".*"))


_SAMPLE = re.compile(
    r'[a-z_]+(\{[a-z]+="(\\.|[^"\\\n])*"(,[a-z]+="(\\.|[^"\\\n])*")*\})? -?[0-9.e+]+'
)


def test_gauges_have_help_and_type_once_and_no_timestamp() -> None:
    for verdict in _verdicts():
        text = prometheus.text(verdict)
        assert text.endswith("\n")
        declared: list[str] = []
        for line in text.splitlines():
            if line.startswith("# TYPE"):
                assert line.endswith(" gauge")
                declared.append(line.split()[2])
            elif not line.startswith("# HELP"):
                assert _SAMPLE.fullmatch(line), line
                assert re.split(r"[{ ]", line)[0] == declared[-1]
        assert len(declared) == len(set(declared))


def test_gauges_say_what_the_verdict_says() -> None:
    lines = prometheus.text(_broken()).splitlines()
    assert 'tandem_holds{cluster="web"} 0' in lines
    assert 'tandem_findings{cluster="web",host="host1",outcome="fail"} 2' in lines
    assert 'tandem_check_holds{cluster="web",host="host1",check="NGX-09"} 0' in lines
    assert 'tandem_check_holds{cluster="web",host="host1",check="KA-10"} 1' in lines
    assert 'tandem_check_holds{cluster="web",check="X-01"} 1' in lines
    assert 'tandem_vip_held{cluster="web",host="host1"} 1' in lines
    assert 'tandem_vip_held{cluster="web",host="host2"} 0' in lines
    assert 'tandem_holds{cluster="web"} 1' in prometheus.text(Spoiled().judge())


def test_a_machine_that_was_not_reached_has_no_gauge_for_the_vip() -> None:
    text = prometheus.text(Spoiled().lose("host1").judge())
    assert 'tandem_vip_held{cluster="web",host="host1"}' not in text


def test_no_secret_is_in_page_or_gauges() -> None:
    spoiled = Spoiled()
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["auth_pass"] = "hushhush"
    verdict = spoiled.judge()
    assert "hushhush" not in verifier_page.page(verdict) + prometheus.text(verdict)
