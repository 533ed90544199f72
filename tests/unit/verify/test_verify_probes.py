"""What the verifier asks: each probe's answer comes back whole, whatever another one does."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.snapshots import Spoiled
from verify.observe import probes
from verify.observe.bundle import Bundle, Round
from verify.observe.probe import Get, Probe


def _run(bundle: Bundle) -> str:
    return _run_script(bundle.script)


def _run_script(script: str) -> str:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout


@pytest.mark.parametrize("together", [False, True], ids=["each bounded", "bounded together"])
def test_a_bundle_gives_each_probe_its_output_and_status(together: bool) -> None:
    bundle = Bundle(
        Probe("both", "echo out; echo err >&2; exit 3"),
        Probe("nothing", "true"),
        Probe("no_newline", "printf 'a\\nb'"),
        Probe("missing", "no-such-program"),
        Probe("quoted", """echo "it's" '$HOME'"""),
        Probe("reads", "cat; found=here"),
        Probe("forgets", 'echo "$found"'),
        together=together,
    )
    sections = Round(bundle).read(_run(bundle))
    assert sections["both"].text == "out\nerr"
    assert sections["both"].status == 3
    assert sections["nothing"].text == ""
    assert sections["no_newline"].text == "a\nb"
    assert sections["missing"].status == 127
    assert sections["quoted"].text == "it's $HOME"
    assert (sections["reads"].text, sections["forgets"].text) == ("", "")


def test_a_probe_that_hangs_costs_its_time_and_no_more() -> None:
    bundle = Bundle(Probe("hangs", "sleep 60"), Probe("after", "echo here"), timeout_s=0.2)
    sections = Round(bundle).read(_run(bundle))
    assert sections["hangs"].status == 124
    assert sections["after"].text == "here"


def test_a_probe_that_hangs_where_all_are_bounded_together_takes_those_after_it() -> None:
    probes = Probe("before", "echo here"), Probe("hangs", "sleep 60"), Probe("after", "true")
    bundle = Bundle(*probes, timeout_s=0.2, together=True)
    began = time.monotonic()
    assert set(Round(bundle).read(_run(bundle))) == {"before"}
    assert time.monotonic() - began < 10


@pytest.fixture
def gets(tmp_path: Path) -> Bundle:
    """Of files, which curl answers as it does over a network."""
    page = tmp_path / "page"
    page.write_text("a page without an end of line")
    timed = "\\n%{size_download}"
    return Bundle(
        Probe("before", "echo here"),
        Get("page", "-s", f"file://{page}"),
        Get("missing:host1", "-s", f"file://{page}.not", timed),
        Get("timed:host1", "-s --max-time 1", f"'file://{page}'", timed),
        Probe("after", "echo there"),
    )


def test_gets_that_follow_each_other_are_told_apart(gets: Bundle) -> None:
    assert gets.script.count("curl -s") == 1
    sections = Round(gets).read(_run(gets))
    assert {name: (section.status, section.text) for name, section in sections.items()} == {
        "before": (0, "here"),
        "page": (0, "a page without an end of line"),
        "missing:host1": (37, "\n0"),
        "timed:host1": (0, "a page without an end of line\n29"),
        "after": (0, "there"),
    }


def test_each_get_is_as_it_would_be_alone(gets: Bundle) -> None:
    together = Round(gets).read(_run(gets))
    for get in gets.probes:
        bundle = Bundle(Probe(get.name, get.command))
        assert Round(bundle).read(_run(bundle))[get.name].text == together[get.name].text


def test_without_curl_each_get_says_so(gets: Bundle) -> None:
    script = gets.script.replace("curl", "no-such-curl")
    sections = Round(gets).read(_run_script(script))
    assert {sections[name].status for name in ("page", "missing:host1", "timed:host1")} == {127}
    assert "not found" in sections["page"].text
    assert sections["after"].text == "there"


def test_output_that_is_not_utf8_does_not_lose_the_rest() -> None:
    bundle = Bundle(Probe("odd", r"printf 'a\377b\n'"), Probe("after", "echo ü"))
    whole = Round(bundle)
    sections = whole.read(_run_script(whole.script))
    assert sections["odd"].text == "ab"
    assert sections["after"].text == "ü"


def test_a_bundle_that_was_cut_off_keeps_what_was_whole() -> None:
    bundle = Bundle(Probe("one", "echo 1"), Probe("two", "echo 2"))
    output = _run(bundle)
    assert set(Round(bundle).read(output[: output.index("2\n")])) == {"one"}


@pytest.mark.parametrize("writable", [True, False], ids=["side by side", "nowhere to write"])
def test_a_round_has_the_answers_of_all_its_bundles(tmp_path: Path, writable: bool) -> None:
    """One of them waits for what another one does, where they can be run side by side."""
    told = shlex.quote(str(tmp_path / "told"))
    waits = f"for _ in $(seq 40); do [ -e {told} ] && break; sleep 0.05; done; ls {told} | wc -l"
    asked = Round(
        Bundle(Probe("waits", waits if writable else "echo 1"), Probe("after", "echo here")),
        Bundle(Probe("tells", f"touch {told}; echo its")),
    )
    place = tmp_path / "run"
    if writable:
        place.mkdir()
    script = asked.script.replace("/run/tandem-verify.", f"{place}/tandem-verify.")
    assert script != asked.script
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    sections = asked.read(done.stdout)
    assert {name: section.text for name, section in sections.items()} == {
        "waits": "1",
        "after": "here",
        "tells": "its",
    }
    assert not writable or not list(place.iterdir())


def test_no_nginx_of_the_verifiers_own_runs_while_it_looks_for_nginx() -> None:
    cluster = Spoiled().gathering.clusters[0]
    asked = probes.everything(cluster.nodes[0], cluster)
    own = ("/usr/sbin/nginx -", "ldd /usr/sbin/nginx", probes._NGINX_PIDS, "ss -Hltnp")
    with_nginx = [
        bundle
        for bundle in asked.bundles
        if any(words in probe.command for probe in bundle.probes for words in own)
    ]
    assert len(with_nginx) == 1 and not with_nginx[0].together


def test_a_command_that_is_shown_differs_where_the_real_one_holds_a_digest() -> None:
    cluster = Spoiled().gathering.clusters[0]
    node = cluster.nodes[0]
    secret = next(p for p in probes.files(node, cluster).probes if p.name == "keepalived_secret")
    assert "sha256sum" in secret.command and node.auth_pass not in secret.command
    assert secret.text == "grep auth_pass /etc/keepalived/keepalived.conf"


@pytest.mark.parametrize("secret", ["nginxpas", "$x'`\\\"", "a#b!"])
def test_the_secret_is_compared_on_the_machine(tmp_path: object, secret: str) -> None:
    file = f"{tmp_path}/keepalived.conf"
    with open(file, "w") as conf:
        conf.write(f"authentication {{\n    auth_type PASS\n    auth_pass  {secret}\n}}\n")

    def compared(expected: str) -> str:
        command = probes._secret(expected).command.replace(
            probes.KEEPALIVED_CONF, shlex.quote(file)
        )
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout

    assert compared(secret) == f"same {len(secret)}\n"
    assert compared("another") == f"different {len(secret)}\n"
