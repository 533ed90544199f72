"""What the verifier asks: each probe's answer comes back whole, whatever another one does."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.snapshots import Spoiled, told
from verify.observe import keepalived_probes, nginx_probes, probes
from verify.observe.bundle import Bundle, RoundTrip
from verify.observe.probe import HttpProbe, ShellProbe


def _run(bundle: Bundle) -> str:
    return _run_script(bundle.script)


def _run_script(script: str) -> str:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout


@pytest.mark.parametrize("one_timeout", [False, True], ids=["each bounded", "one timeout"])
def test_a_bundle_gives_each_probe_its_output_and_status(one_timeout: bool) -> None:
    bundle = Bundle(
        ShellProbe("both", "echo out; echo err >&2; exit 3"),
        ShellProbe("nothing", "true"),
        ShellProbe("no_newline", "printf 'a\\nb'"),
        ShellProbe("missing", "no-such-program"),
        ShellProbe("quoted", """echo "it's" '$HOME'"""),
        ShellProbe("reads", "cat; found=here"),
        ShellProbe("forgets", 'echo "$found"'),
        one_timeout=one_timeout,
    )
    sections = RoundTrip(bundle).read(_run(bundle))
    assert sections["both"].text == "out\nerr"
    assert sections["both"].status == 3
    assert sections["nothing"].text == ""
    assert sections["no_newline"].text == "a\nb"
    assert sections["missing"].status == 127
    assert sections["quoted"].text == "it's $HOME"
    assert (sections["reads"].text, sections["forgets"].text) == ("", "")


def test_a_probe_that_hangs_costs_its_time_and_no_more() -> None:
    bundle = Bundle(
        ShellProbe("hangs", "sleep 60"), ShellProbe("after", "echo here"), timeout_s=0.2
    )
    sections = RoundTrip(bundle).read(_run(bundle))
    assert sections["hangs"].status == 124
    assert sections["after"].text == "here"


def test_a_probe_that_hangs_where_all_are_bounded_together_takes_those_after_it() -> None:
    probes = (
        ShellProbe("before", "echo here"),
        ShellProbe("hangs", "sleep 60"),
        ShellProbe("after", "true"),
    )
    bundle = Bundle(*probes, timeout_s=0.2, one_timeout=True)
    began = time.monotonic()
    assert set(RoundTrip(bundle).read(_run(bundle))) == {"before"}
    assert time.monotonic() - began < 10


@pytest.fixture
def gets(tmp_path: Path) -> Bundle:
    """Of files, which curl answers as it does over a network."""
    page = tmp_path / "page"
    page.write_text("a page without an end of line")
    timed = "\\n%{size_download}"
    return Bundle(
        ShellProbe("before", "echo here"),
        HttpProbe("page", f"curl -s file://{page}"),
        HttpProbe("missing:host1", f"curl -s -w '{timed}' file://{page}.not", out=timed),
        HttpProbe("timed:host1", f"curl -s --max-time 1 -w '{timed}' 'file://{page}'", out=timed),
        ShellProbe("after", "echo there"),
    )


def test_gets_that_follow_each_other_are_told_apart(gets: Bundle) -> None:
    assert gets.script.count("curl -s") == 1
    sections = RoundTrip(gets).read(_run(gets))
    assert {name: (section.status, section.text) for name, section in sections.items()} == {
        "before": (0, "here"),
        "page": (0, "a page without an end of line"),
        "missing:host1": (37, "\n0"),
        "timed:host1": (0, "a page without an end of line\n29"),
        "after": (0, "there"),
    }


def test_each_get_is_as_it_would_be_alone(gets: Bundle) -> None:
    together = RoundTrip(gets).read(_run(gets))
    for get in gets.probes:
        bundle = Bundle(ShellProbe(get.name, get.command))
        assert RoundTrip(bundle).read(_run(bundle))[get.name].text == together[get.name].text


def test_without_curl_each_get_says_so(gets: Bundle) -> None:
    script = gets.script.replace("curl", "no-such-curl")
    sections = RoundTrip(gets).read(_run_script(script))
    assert {sections[name].status for name in ("page", "missing:host1", "timed:host1")} == {127}
    assert "not found" in sections["page"].text
    assert sections["after"].text == "there"


def test_output_that_is_not_utf8_does_not_lose_the_rest() -> None:
    bundle = Bundle(ShellProbe("odd", r"printf 'a\377b\n'"), ShellProbe("after", "echo ü"))
    whole = RoundTrip(bundle)
    sections = whole.read(_run_script(whole.script))
    assert sections["odd"].text == "ab"
    assert sections["after"].text == "ü"


def test_a_bundle_that_was_cut_off_keeps_what_was_whole() -> None:
    bundle = Bundle(ShellProbe("one", "echo 1"), ShellProbe("two", "echo 2"))
    output = _run(bundle)
    assert set(RoundTrip(bundle).read(output[: output.index("2\n")])) == {"one"}


@pytest.mark.parametrize("writable", [True, False], ids=["side by side", "nowhere to write"])
def test_a_round_has_the_answers_of_all_its_bundles(tmp_path: Path, writable: bool) -> None:
    """One of them waits for what another one does, where they can be run side by side."""
    told = shlex.quote(str(tmp_path / "told"))
    waits = f"for _ in $(seq 40); do [ -e {told} ] && break; sleep 0.05; done; ls {told} | wc -l"
    asked = RoundTrip(
        Bundle(
            ShellProbe("waits", waits if writable else "echo 1"), ShellProbe("after", "echo here")
        ),
        Bundle(ShellProbe("tells", f"touch {told}; echo its")),
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
    cluster = Spoiled().snapshot.clusters[0]
    asked = probes.all_probes(cluster.nodes[0], cluster)
    own = ("/usr/sbin/nginx -", "ldd /usr/sbin/nginx", nginx_probes._EACH_NGINX, "ss -Hltnp")
    with_nginx = [
        bundle
        for bundle in asked.bundles
        if any(words in probe.command for probe in bundle.probes for words in own)
    ]
    assert len(with_nginx) == 1 and not with_nginx[0].one_timeout


def test_a_command_that_is_shown_differs_where_the_real_one_holds_a_digest() -> None:
    cluster = Spoiled().snapshot.clusters[0]
    node = cluster.nodes[0]
    files = keepalived_probes.from_files(node)
    secret = next(probe for probe in files if probe.name == "keepalived_secret")
    assert "sha256sum" in secret.command and node.auth_pass not in secret.command
    assert secret.text == "grep auth_pass /etc/keepalived/keepalived.conf"


@pytest.mark.parametrize("secret", ["nginxpas", "$x'`\\\"", "a#b!"])
def test_the_secret_is_compared_on_the_machine(tmp_path: object, secret: str) -> None:
    file = f"{tmp_path}/keepalived.conf"
    with open(file, "w") as conf:
        conf.write(f"authentication {{\n    auth_type PASS\n    auth_pass  {secret}\n}}\n")

    def compared(expected: str) -> str:
        command = keepalived_probes._secret(expected).command.replace(
            keepalived_probes.KEEPALIVED_CONF, shlex.quote(file)
        )
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout

    assert compared(secret) == told(f"same {len(secret)}\n1 secrets")
    assert compared("another") == told(f"different {len(secret)}\n1 secrets")
