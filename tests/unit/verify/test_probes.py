"""What the verifier asks: each probe's answer comes back whole, whatever another one does."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from settings.serving import site
from settings.values import HIDDEN
from tests.support.snapshots import EVERYTHING, Spoiled, told
from verify.observe import keepalived_probes, nginx_probes, probes
from verify.observe.bundle import PLACES, Bundle, RoundTrip
from verify.observe.probe import HttpProbe, ShellProbe, whole
from verify.read import tls_output
from verify.snapshot import ProbeOutput


def _asked(*bundles: Bundle) -> dict[str, ProbeOutput]:
    """What the probes answer on this machine."""
    asked = RoundTrip(*bundles)
    return asked.read(_run_script(asked.script))


def _run_script(script: str) -> str:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "may_hang", [True, False], ids=["beside one another", "one after the other"]
)
def test_a_bundle_gives_each_probe_its_output_and_status(may_hang: bool) -> None:
    probes = (
        ShellProbe("both", "echo out; echo err >&2; exit 3"),
        ShellProbe("nothing", "true"),
        ShellProbe("no_newline", "printf 'a\\nb'"),
        ShellProbe("missing", "no-such-program"),
        ShellProbe("quoted", """echo "it's" '$HOME'"""),
        ShellProbe("reads", "cat; found=here"),
        ShellProbe("forgets", 'echo "$found"'),
    )
    bundle = Bundle(*(replace(probe, may_hang=may_hang) for probe in probes))
    sections = _asked(bundle)
    assert sections["both"].text == "out\nerr"
    assert sections["both"].status == 3
    assert sections["nothing"].text == ""
    assert sections["no_newline"].text == "a\nb"
    assert sections["missing"].status == 127
    assert sections["quoted"].text == "it's $HOME"
    assert (sections["reads"].text, sections["forgets"].text) == ("", "")


def test_a_probe_that_hangs_costs_its_time_and_no_more() -> None:
    sleeps = ShellProbe("hangs", "sleep 60", may_hang=True)
    hangs = Bundle(sleeps, ShellProbe("after", "echo here"), timeout_s=0.2)
    longer = Bundle(ShellProbe("waits", "sleep 0.6; echo there"), timeout_s=3)
    sections = _asked(hangs, longer)
    assert sections["hangs"].problem == "did not answer in time"
    assert (sections["after"].text, sections["waits"].text) == ("here", "there")


def test_however_many_probes_hang_there_is_one_deadline_and_what_was_answered_is_kept() -> None:
    """A dead resolver, and names among the upstreams: nginx -t hangs, and then nginx -T."""
    hanging = [ShellProbe(f"hangs{number}", "sleep 60", may_hang=True) for number in range(5)]
    asked = RoundTrip(
        Bundle(ShellProbe("before", "echo here"), *hanging, timeout_s=0.5),
        Bundle(ShellProbe("beside", "echo there"), timeout_s=0.5),
    )
    began = time.monotonic()
    sections = asked.read(_run_script(asked.script))
    assert time.monotonic() - began < asked.longest_s
    assert (sections["before"].text, sections["beside"].text) == ("here", "there")
    cut = {sections[f"hangs{number}"].problem for number in range(5)}
    assert cut == {"did not answer in time"}


def test_a_probe_that_hangs_though_it_should_not_takes_those_after_it() -> None:
    probes = (
        ShellProbe("before", "echo here"),
        ShellProbe("hangs", "sleep 60"),
        ShellProbe("after", "true"),
    )
    bundle = Bundle(*probes, timeout_s=0.5)
    began = time.monotonic()
    sections = _asked(bundle)
    assert {name: section.problem for name, section in sections.items()} == {
        "before": "",
        "hangs": "did not answer in time",
    }
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
    asked = RoundTrip(gets)
    # Each alone would hang: nobody is to be asked twice.
    script = asked.script.replace("probe page", "sleep 60; probe page")
    sections = asked.read(_run_script(script))
    assert {name: (section.status, section.text) for name, section in sections.items()} == {
        "before": (0, "here"),
        "page": (0, "a page without an end of line"),
        "missing:host1": (37, "\n0"),
        "timed:host1": (0, "a page without an end of line\n29"),
        "after": (0, "there"),
    }


def test_each_get_is_as_it_would_be_alone(gets: Bundle) -> None:
    together = _asked(gets)
    for get in gets.probes:
        bundle = Bundle(ShellProbe(get.name, get.command))
        assert _asked(bundle)[get.name].text == together[get.name].text


def test_a_curl_without_exit_codes_is_run_for_each(gets: Bundle, tmp_path: Path) -> None:
    """As those before 7.75 are: they complain about what they do not know, and print nothing."""
    curl = tmp_path / "curl"
    curl.write_text(
        """#!/bin/sh
for word; do
    case $word in *'%{exit'code*) echo "curl: unknown --write-out variable" >&2 ;; esac
    set -- "$@" "$(printf '%s' "$word" | sed 's/%{exit''code}//g')"; shift
done
exec /usr/bin/curl "$@"
"""
    )
    curl.chmod(0o755)
    asked = RoundTrip(gets)
    script = asked.script.replace("export LC_ALL=C PATH=", f"export LC_ALL=C PATH={tmp_path}:")
    sections = asked.read(_run_script(script))
    new = _asked(gets)
    assert {name: (one.status, one.text) for name, one in sections.items()} == {
        name: (one.status, one.text) for name, one in new.items()
    }


def test_a_request_that_hangs_until_the_deadline_keeps_those_before_it(tmp_path: Path) -> None:
    """A pipe that nobody writes to: curl waits to open it, whatever its time limit."""
    page, silent = tmp_path / "page", tmp_path / "silent"
    page.write_text("here")
    os.mkfifo(silent)
    gets = [
        HttpProbe("page", f"curl -s file://{page}"),
        HttpProbe("dead", f"curl -s --max-time 1 file://{silent}"),
    ]
    sections = _asked(Bundle(*gets, timeout_s=1))
    assert (sections["page"].status, sections["page"].text) == (0, "here")
    assert sections["dead"].problem == "did not answer in time"


def test_an_answer_that_holds_marks_is_one_answer() -> None:
    text = "@@tandem end 0\n@@tandem begin after\nforged\n@@tandem 0123abcd end 0"
    says = ShellProbe("says", f"printf '%s' '{text}'")
    sections = _asked(Bundle(says, ShellProbe("after", "echo its")))
    assert (sections["says"].text, sections["after"].text) == (text, "its")


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    huge = ShellProbe("huge", "yes abcdefghijklmnopqrstuvwxyz | head -c 20000000")
    sections = _asked(Bundle(huge), Bundle(ShellProbe("beside", "echo its")))
    assert sections["huge"].problem == "gave an answer that is too large to be read"
    assert sections["beside"].text == "its"


def test_a_place_that_is_full_is_passed_over(tmp_path: Path) -> None:
    full, free = tmp_path / "full", tmp_path / "free"
    free.mkdir()
    asked = RoundTrip(Bundle(ShellProbe("one", "echo 1")))
    script = asked.script.replace(f"in {PLACES};", f"in {full} {free};")
    assert asked.read(_run_script(script))["one"].text == "1"


def test_without_curl_each_get_says_so(gets: Bundle) -> None:
    asked = RoundTrip(gets)
    sections = asked.read(_run_script(asked.script.replace("curl", "no-such-curl")))
    assert {sections[name].status for name in ("page", "missing:host1", "timed:host1")} == {127}
    assert "not found" in sections["page"].text
    assert sections["after"].text == "there"


def test_output_that_is_not_utf8_does_not_lose_the_rest() -> None:
    odd = ShellProbe("odd", r"printf 'a\377b\n'")
    sections = _asked(Bundle(odd, ShellProbe("after", "echo ü")))
    assert sections["odd"].text == "ab"
    assert sections["after"].text == "ü"


def test_a_bundle_that_was_cut_off_keeps_what_was_whole() -> None:
    asked = RoundTrip(Bundle(ShellProbe("one", "echo 1"), ShellProbe("two", "echo 2")))
    output = _run_script(asked.script)
    sections = asked.read(output[: output.index("2\n")])
    assert sections["one"].problem == ""
    assert sections["two"].problem == "did not answer in time"


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
    script = asked.script.replace(f"in {PLACES};", f"in {place};")
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
    assert len(with_nginx) == 1


def test_a_command_that_is_shown_differs_where_the_real_one_holds_a_digest() -> None:
    cluster = Spoiled().snapshot.clusters[0]
    node = cluster.nodes[0].model_copy(update={"auth_pass": SecretStr("nginxpas")})
    files = keepalived_probes.from_files(node)
    secret = next(probe for probe in files if probe.name == "keepalived_secret")
    assert "sha256sum" in secret.command and node.auth_pass.get_secret_value() not in secret.command
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


def test_a_secret_that_the_controller_could_not_have_is_compared_with_nothing() -> None:
    command = keepalived_probes._secret(HIDDEN).command
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "\n(end)")


def test_every_site_is_listed_and_one_without_a_version_does_not_hide_the_next(
    tmp_path: Path,
) -> None:
    cluster = Spoiled(EVERYTHING).snapshot.clusters[0]
    (probe,) = (
        probe
        for bundle in probes.all_probes(cluster.nodes[0], cluster).bundles
        for probe in bundle.probes
        if probe.name == "sites"
    )
    for name in ("a", "b", "d"):
        (tmp_path / name / "1.x").mkdir(parents=True)
        (tmp_path / name / "1.x" / "index.html").write_text("here")
        (tmp_path / name / "current").symlink_to("1.x")
    (tmp_path / "c").mkdir()
    command = probe.command.replace(site.SITES_ROOT, str(tmp_path))
    found = tls_output.sites(whole(_asked(Bundle(ShellProbe("sites", command)))["sites"].text))
    assert {name: version for name, (version, _) in found.items()} == {
        "a": "1",
        "b": "1",
        "c": "-",
        "d": "1",
    }
