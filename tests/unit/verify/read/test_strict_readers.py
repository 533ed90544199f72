"""Answers that look like others: what would be misread, is read right or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import nginx_paths
from tests.support.snapshots import DEFAULT, HEALTHY, Spoiled, bad, said
from verify.checks.check import Outcome
from verify.observe import nginx_probes
from verify.read import (
    blocks,
    keepalived_output,
    nft_output,
    nginx_output,
    system_output,
    tls_output,
)

# --- processes and sockets -----------------------------------------------------------------------


def _process(place: Path, pid: int, title: str, namespace: Path) -> None:
    its = place / str(pid)
    (its / "ns").mkdir(parents=True)
    (its / "ns" / "pid").hardlink_to(namespace)
    (its / "comm").write_text("nginx\n")
    (its / "cmdline").write_bytes(title.encode() + b"\0")
    (its / "status").write_text("PPid:\t1\nUid:\t0\t0\t0\t0\nCapEff:\t0\n")
    (its / "limits").write_text("Max open files  1024  1024  files\n")
    (its / "stat").write_text(f"{pid} (nginx) S 1" + " 1" * 17 + " 100 1\n")


def test_a_containers_nginx_is_not_the_machines(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for namespace in (ours, theirs):
        namespace.touch()
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").hardlink_to(ours)
    _process(tmp_path, 70, "nginx: master process /usr/sbin/nginx", theirs)

    def processes() -> tuple[nginx_output.Process, ...]:
        command = nginx_probes._NGINX_PROCESSES.replace("/proc/", f"{tmp_path}/")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        return nginx_output.processes(done.stdout.replace(f"{tmp_path}/", "/proc/"))

    assert processes() == ()
    _process(tmp_path, 7, "nginx: master process /usr/sbin/nginx", ours)
    assert [process.pid for process in processes()] == [7]


def test_when_workers_began_does_not_depend_on_the_machines_uptime() -> None:
    """A process that has just begun has a time in /proc; whatever began before, is told from it."""
    machine = system_output.system("2\n249 (a) b) R 1" + " 1" * 17 + " 137000 1\n1000.5")
    assert (machine.cpus, machine.now) == (2, 1000.5)
    assert machine.began(1370.0) == 1000.5
    assert machine.began(1360.0) == pytest.approx(990.5)


@pytest.mark.parametrize("late_s", [0.2, 3600])
def test_a_file_that_is_younger_than_a_worker_is_found(late_s: float) -> None:
    spoiled = Spoiled(DEFAULT)
    machine = system_output.system(said(DEFAULT, "host1", "system"))
    workers = nginx_output.processes(said(DEFAULT, "host1", "nginx_processes"))
    oldest = min(machine.began(one.started_s) for one in workers if one.worker)
    (conf,) = (
        file
        for file in system_output.files(said(DEFAULT, "host1", "nginx_files"))
        if file.path == "/etc/nginx/nginx.conf"
    )
    line = next(
        line
        for line in said(DEFAULT, "host1", "nginx_files").splitlines()
        if line.endswith(conf.path)
    )
    modified = line.split(" ")[2]
    spoiled.replace("host1", "nginx_files", modified, f"{oldest + late_s:.10f}")
    (finding,) = spoiled.judge("NGX-08").bad
    assert "after a worker started" in finding.answer.actual


LISTENS = "LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:("


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ('("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))', (("nginx", 7), ("nginx", 8))),
        ('("a b(c)",pid=9,fd=6))', (("a b(c)", 9),)),
        # A program that calls itself so, to pass for nginx.
        ('("x",pid=7",pid=9,fd=5))', (('x",pid=7', 9),)),
        ('("x",pid=7,fd=6)",pid=9,fd=5))', (('x",pid=7,fd=6)', 9),)),
        ('("nginx",pid=7,fd=6),("ngi', None),
    ],
)
def test_who_listens_is_read_whatever_he_calls_himself(
    users: str, expected: tuple[tuple[str, int], ...] | None
) -> None:
    if expected is None:
        with pytest.raises(ValueError):
            system_output.listeners(LISTENS + users)
    else:
        assert system_output.listeners(LISTENS + users)[0].programs == expected


def test_a_listener_whose_program_nobody_names_is_no_evidence() -> None:
    """As `ss` prints it to whoever is not root."""
    spoiled = Spoiled(DEFAULT).answer("host1", "listeners", LISTENS.removesuffix("users:("))
    (finding,) = spoiled.judge("NGX-11").bad
    assert finding.outcome is Outcome.UNKNOWN
    assert "does not say who listens on 0.0.0.0:80" in finding.answer.actual


def test_a_nginx_without_workers_has_none_that_are_well() -> None:
    lines = said(DEFAULT, "host1", "nginx_processes").splitlines()
    master = lines[0].split("/")[2]
    only = "\n".join(line for line in lines if f"/{master}/" in line)
    verdict = Spoiled(DEFAULT).answer("host1", "nginx_processes", only).judge("NGX-08,NGX-12")
    assert {finding.outcome for finding in verdict.bad} == {Outcome.UNKNOWN}
    assert bad(verdict) == {"NGX-08", "NGX-12"}


# --- services, packages, files -------------------------------------------------------------------

PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "FragmentPath", "MainPID")


@pytest.mark.parametrize("missing", (*PROPERTIES, "NRestarts", "Restart", "ConditionResult"))
def test_a_unit_without_one_of_its_properties_is_no_unit_that_is_well(missing: str) -> None:
    told_units = said(DEFAULT, "host1", "units")
    kept = [line for line in told_units.split("\n") if not line.startswith(f"{missing}=")]
    verdict = Spoiled(DEFAULT).answer("host1", "units", "\n".join(kept)).judge()
    assert not verdict.passed
    for finding in verdict.bad:
        assert "units" in finding.check.reads or finding.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", ()),
        ("dpkg-query: no packages found matching nginx*", ()),
        ("un  nginx\nrc  nginx-common\nii  nginx-doc", ()),
        ("ii  nginx-filesystem", ()),
        ("ii  nginx-filesystem\nii  nginx-core", ("nginx-core",)),
        ("iU  nginx\niFR nginx-light", ("nginx", "nginx-light")),
    ],
)
def test_packages_that_bring_no_nginx_are_none(text: str, expected: tuple[str, ...]) -> None:
    assert nginx_output.packages(text) == expected


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (system_output.files, "find: '/etc/nginx': Permission denied"),
        (system_output.files, "find: '/etc/nginx': No such file or directory"),
        (system_output.files, "640 root:root 1.0 f"),
        (system_output.owned, "640 root:root f"),
        (system_output.owned, ""),
        (system_output.interfaces, "[{}]"),
        (system_output.interfaces, "{}"),
        (system_output.interfaces, '[{"ifname":"eth0"'),
        (system_output.neighbours, ""),
        (system_output.failed_units, "Failed to connect to bus: Host is down"),
        (system_output.failed_units, "cron.service"),
        (system_output.numbers, "net/core/somaxconn:4096\ngrep: x: No such file or directory"),
        (system_output.units, "Id=nginx.service\nLoadState"),
        (system_output.units, "Id=nginx.service\n\nId=nginx.service"),
        (keepalived_output.path_steps, "f: /usr/bin/test\nf: /usr/bin/x\n-rwxr-xr-x root root x"),
        (keepalived_output.path_steps, "f: /usr/bin/test\n                test - No such file"),
        (keepalived_output.path_steps, "-rwxr-xr-x root root x"),
        (keepalived_output.heard, "arp nothing\nheard 1"),
        (keepalived_output.heard, "vrrp 10.0.0.1 3 61 254\nheard 2"),
        (keepalived_output.configuration, "vrrp_instance VI_1 {\n    state BACKUP"),
        (keepalived_output.drains, "absent /etc/keepalived/down"),
        (keepalived_output.watch_says, "failed 0"),
        (keepalived_output.watch_says, "failed 0\nlast-resort 2"),
        (keepalived_output.overloads, "uptime 1.0"),
        (keepalived_output.overloads, "uptime 1.0\nfull 0 - -"),
        (keepalived_output.overloads, "none"),
        (keepalived_output.overloads, "uptime 1.0\nfull 1 - -\nbusy 0 - -"),
        (keepalived_output.secrets, "same 8"),
        (nginx_output.missing_libraries, "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f"),
        (nginx_output.configuration_is_good, "nginx: configuration file /etc/nginx/nginx.conf te"),
        (nginx_output.binaries, f"{'0' * 64} /usr/sbin/nginx {{}}\n2 binaries"),
        (nginx_output.executables, "/proc/7 /usr/sbin/nginx"),
        (nginx_output.packages, "error: rpmdb: damaged"),
        (nginx_output.packages, "ii R nginx"),
        (nginx_output.dump, "# configuration file /a:\nhttp { server { } }\ninclude b.conf;"),
        (tls_output.session, "CONNECTED(00000003)"),
        (tls_output.keys, "600 root:root fi /etc/nginx/tls/default.key"),
        (nft_output.speakers, '{"nftables": []}'),
    ],
)
def test_what_does_not_fit_is_no_answer(read: Callable[[str], object], text: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        read(text)


def test_a_path_with_spaces_and_one_of_others_are_told_apart() -> None:
    steps = keepalived_output.path_steps(
        "f: /opt/my scripts/x\ndrwxr-xr-x root root /\ndrwxrwxrwx root root my scripts\n"
        "-rwxr-xr-x root root x"
    )
    assert [step.name for step in steps if step.writable_by_others] == ["my scripts"]


def test_a_library_of_which_a_version_is_missing_is_complained_about() -> None:
    text = (
        "/usr/sbin/nginx: /lib/libc.so.6: version `GLIBC_2.38' not found (required by nginx)\n"
        "\tlibc.so.6 => /lib/libc.so.6 (0x00007f8092b00000)\n\tlibssl.so.3 => not found"
    )
    there, complaints = nginx_output.missing_libraries(text)
    assert there == {"libc.so.6": True, "libssl.so.3": False}
    assert len(complaints) == 1 and "GLIBC_2.38" in complaints[0]
    assert nginx_output.missing_libraries("\tstatically linked") == ({}, [])


@pytest.mark.parametrize("text", ["} events {", "events {", "{}", "http { server { }"])
def test_braces_that_do_not_match_are_no_configuration(text: str) -> None:
    with pytest.raises(ValueError):
        blocks.blocks(nginx_paths.TOKEN, text)


# --- nftables, keepalived ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("sh: 1: nft: not found", 127),
        ("Error: Could not process rule: Operation not permitted", 1),
        ("netlink: Error: cache initialization failed: Operation not permitted", 1),
    ],
)
def test_only_nft_can_say_that_there_is_no_table(text: str, status: int) -> None:
    spoiled = Spoiled(DEFAULT)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["handover"] = False
    for probe in ("handover_table", "speakers_table"):
        spoiled.answer("host1", probe, text, status)
    verdict = spoiled.judge("HO-02,SYS-04")
    found = {(f.id, f.outcome) for f in verdict.findings if f.host == "host1"}
    assert found == {("HO-02", Outcome.UNKNOWN), ("SYS-04", Outcome.UNKNOWN)}


def test_counters_of_errors_that_are_missing_are_not_zero() -> None:
    spoiled = Spoiled(HEALTHY)
    for probe in ("vrrp_before", "vrrp"):
        spoiled.replace("host1", probe, '"advert_interval_err":0,', "")
    (finding,) = spoiled.judge("KA-10").bad
    assert finding.outcome is Outcome.UNKNOWN


def test_a_configuration_that_is_neither_printed_nor_refused_is_not_passed_over() -> None:
    """`nginx -T` that was killed is no reason to leave out what reads it."""
    spoiled = Spoiled(DEFAULT).answer("host1", "nginx_dump", "refused", 137)
    found = {f.id: f.outcome for f in spoiled.judge("NGX").bad}
    assert {id: found.get(id) for id in ("NGX-07", "NGX-08", "NGX-20")} == dict.fromkeys(
        ("NGX-07", "NGX-08", "NGX-20"), Outcome.UNKNOWN
    )
