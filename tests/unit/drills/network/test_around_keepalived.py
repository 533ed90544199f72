"""Rules, names, inotify and firewalls around keepalived: what is broken, and what is put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from drills.control import fault_signs, self_undo
from drills.control.faults import Fault
from drills.control.network import around_keepalived
from tests.unit.drills.network.own_kernel_network import node, shell

OURS = "add table ip tandem_handover; add table inet others"
TABLES = "nft list tables"


def injected(fault: Fault) -> str:
    return fault_signs.around(fault.sign, self_undo.inject(fault.key, fault.do, ""))


def test_rules_that_are_flushed_are_put_back_but_for_those_that_are_there_again(
    tmp_path: Path,
) -> None:
    fault = around_keepalived.RULES_FLUSHED
    done = shell(
        f"nft '{OURS}'; {injected(fault)}; {TABLES}; echo then; {fault.undo}\n{TABLES}", tmp_path
    )
    before, _, after = done.stdout.partition("then\n")
    (sight,) = fault_signs.sights("host1", before)
    assert sight.bit and "are gone" in sight.text, done
    assert "table ip" not in before
    assert after.split("\n")[:2] == ["table ip tandem_handover", "table inet others"]


def test_rules_that_stay_are_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign = around_keepalived.RULES_FLUSHED.sign
    assert sign is not None
    quick = sign.after.replace("sleep 0.05", ":")
    done = shell(f"nft '{OURS}'; {sign.before}; ({quick})", tmp_path)
    assert (done.returncode, done.stdout) == (1, "the tables of the hand-over are still there\n")
    none = shell(f"{sign.before}; ({quick})", tmp_path)
    assert (none.returncode, none.stdout) == (1, "there was no table of the hand-over\n")


def test_names_are_put_back_as_they_were_also_where_a_file_was_a_link(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "hosts").write_text("127.0.0.1 localhost\n10.0.0.25 mail\n")
    (tmp_path / "stub").write_text("nameserver 127.0.0.53\n")
    (etc / "resolv.conf").symlink_to(tmp_path / "stub")
    fault = around_keepalived.RESOLVER_DEAD
    assert fault.lasting
    assert shell(fault.do, tmp_path).returncode == 0
    assert (etc / "resolv.conf").read_text() == "nameserver 192.0.2.53\n"
    assert "mail" not in (etc / "hosts").read_text()
    assert (tmp_path / "stub").read_text() == "nameserver 127.0.0.53\n"
    for _ in range(2):
        assert shell(fault.undo, tmp_path).returncode == 0
        assert (etc / "resolv.conf").is_symlink()
        assert "10.0.0.25 mail" in (etc / "hosts").read_text()
        assert not list(tmp_path.glob("kept*"))


def test_a_name_server_that_says_something_is_no_evidence(tmp_path: Path) -> None:
    sign = around_keepalived.RESOLVER_DEAD.sign
    assert sign is not None
    for timeout, bit in (("return 124", True), ("return 2", False)):
        said = shell(fault_signs.around(sign, f"timeout() {{ {timeout}; }}; true"), tmp_path).stdout
        (sight,) = fault_signs.sights("host1", said)
        assert sight.bit is bit


def test_keepalived_without_inotify_has_no_such_file_open(tmp_path: Path) -> None:
    sign = around_keepalived.INOTIFY_EXHAUSTED.sign
    assert sign is not None
    who = "pgrep() { case $1 in -P) :;; *) echo 7;; esac; }; sleep() { :; }; "
    for files, bit in (("anon_inode:inotify", False), ("/dev/null", True)):
        script = f"{who}ls() {{ echo '5 -> {files}'; }}; true"
        (sight,) = fault_signs.sights(
            "host1", shell(fault_signs.around(sign, script), tmp_path).stdout
        )
        assert (sight.bit, "keepalived (7) has" in sight.text) == (bit, True)


def test_the_firewall_counts_adverts_and_lets_connections_in(tmp_path: Path) -> None:
    fault = around_keepalived.stateful_firewall(node())
    done = shell(f"{fault.do} && nft list ruleset && {fault.undo} && {TABLES}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "policy drop" in done.stdout and "tandem_drill\n" not in done.stdout
    assert fault_signs.packets(done.stdout) == 0
    assert done.stdout.count("counter packets") == 1
