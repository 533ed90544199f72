"""What programs print is read as it is, and what they do not print is an error with a reason."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import HEALTHY, said
from verify.read import http_output, keepalived_output, nginx_output, system_output


def _text(probe: str, host: str = "host1") -> str:
    return said(HEALTHY, host, probe)


def _asked(probe: str, host: str = "host1") -> str:
    text: str = HEALTHY["looks"][host]["sections"][probe]["text"]
    return text


# --- nginx ---


def test_nginx_v_is_read() -> None:
    build = nginx_output.build(_text("nginx_version"))
    assert build.version == "1.26.3"
    assert build.arguments[0] == "--prefix=/usr"
    assert len(build.arguments) == 19


def test_nginx_processes_are_read_from_proc() -> None:
    master, *workers = nginx_output.processes(_text("nginx_processes"))
    assert master.master and master.uid == 0 and not master.worker
    assert all(worker.worker and worker.parent == master.pid for worker in workers)
    assert workers[0].files_limit == 8704 and workers[0].capabilities == 0


def test_a_worker_that_finishes_its_last_requests_is_none_any_more() -> None:
    text = _text("nginx_processes").replace(
        "nginx: worker process ", "nginx: worker process is shutting down "
    )
    assert not [process for process in nginx_output.processes(text) if process.worker]


def test_a_process_that_ended_while_it_was_read_is_left_out() -> None:
    lines = _text("nginx_processes").splitlines()
    master = lines[0].split("/")[2]
    rest = "\n".join(line for line in lines if f"/{master}/cmdline" not in line)
    assert all(str(process.pid) != master for process in nginx_output.processes(rest))


CONFIGURATION = r"""
# configuration file /etc/nginx/nginx.conf:
user nginx; # who
events { worker_connections 64; }
http {
    include mime.types;
    include sites/*.conf;
    log_format main '$a "$b" \'c\'' ';}';
    server { listen 80; location ~ \.php$ { return 200 "a;b{"; } }
}
# configuration file /etc/nginx/mime.types:
types { text/html html; }
# configuration file /etc/nginx/sites/one.conf:
server { listen [::]:8080 default_server; }
"""


def test_a_configuration_is_read_with_its_includes_in_their_place() -> None:
    dump = nginx_output.dump(CONFIGURATION)
    assert len(dump.files) == 3
    assert dump.root.last("events", "worker_connections") == "64"
    listens = [" ".join(listen.words) for listen in dump.root.every("http", "server", "listen")]
    assert listens == ["listen [::]:8080 default_server", "listen 80"]
    assert dump.root.last("http", "server", "location", "return") == "200 a;b{"
    assert dump.root.last("http", "types", "text/html") == "html"
    assert dump.root.last("http", "log_format") == "main $a \"$b\" 'c' ;}"


def test_a_persons_snippets_are_told_from_what_was_deployed() -> None:
    text = (
        "# configuration file /etc/nginx/nginx.conf:\n"
        "http { include /etc/nginx/conf.d/*.conf; server { listen 80; } }\n"
        "# configuration file /etc/nginx/conf.d/mine.conf:\n"
        "server { listen 8080; }\n"
    )
    dump = nginx_output.dump(text)
    listens = [" ".join(listen.words) for listen in dump.root.every("http", "server", "listen")]
    assert listens == ["listen 8080", "listen 80"]
    assert [" ".join(listen.words) for listen in dump.base.every("http", "server", "listen")] == [
        "listen 80"
    ]


def test_the_real_dump_is_read() -> None:
    dump = nginx_output.dump(_text("nginx_dump"))
    names = ("nginx.conf", "mime.types", "header_values.conf", "headers.conf")
    assert dump.files == tuple(f"/etc/nginx/{name}" for name in names)
    assert dump.root.last("http", "server_tokens") == "off"


@pytest.mark.parametrize(
    "parse", [nginx_output.build, nginx_output.dump, keepalived_output.version]
)
def test_another_programs_words_are_refused(parse: object) -> None:
    with pytest.raises(ValueError):
        parse("command not found")  # type: ignore[operator]


# --- keepalived ---


def test_keepalived_conf_is_read_whatever_its_layout() -> None:
    one = keepalived_output.configuration(
        'vrrp_script x { # comment\n  script "/usr/bin/test ! -e /x"  ! more\n}\n'
    )
    other = keepalived_output.configuration(
        "vrrp_script   x\n{\n    script\t'\"'\n}".replace("'\"'", '"/usr/bin/test ! -e /x"')
    )
    assert one == other
    assert one.last("vrrp_script", "script") == "/usr/bin/test ! -e /x"


def test_the_real_keepalived_conf_is_read() -> None:
    conf = keepalived_output.configuration(_text("keepalived_conf"))
    assert conf.last("vrrp_instance", "virtual_router_id") == "61"
    assert conf.last("global_defs", "router_id") == "host1"
    assert next(conf.every("vrrp_instance", "virtual_ipaddress")).block[0].words == (
        *("172.16.12.254/16", "dev", "eth0", "label", "eth0:0"),
    )


@given(st.text(alphabet='ab{}#!"\n ', max_size=60))
def test_no_text_is_too_odd_for_keepalived_conf(text: str) -> None:
    with suppress(ValueError):
        list(keepalived_output.lines(keepalived_output.configuration(text)))


@given(st.text(alphabet="ab{};#'\"\\$\n ", max_size=60))
def test_no_text_is_too_odd_for_nginx_conf(text: str) -> None:
    with suppress(ValueError):
        nginx_output.dump(f"# configuration file /x:\n{text}")


def test_keepalived_version_tells_json() -> None:
    assert keepalived_output.version(_text("keepalived_version")) == ("2.2.7", True)


def test_what_was_heard_is_read() -> None:
    found = keepalived_output.heard(_text("heard", "host2"))
    assert [(advert.source, advert.vrid, advert.priority) for advert in found.adverts] == [
        ("172.16.12.61", 61, 101)
    ]
    assert len(found.macs) == 1


@pytest.mark.parametrize(
    ("line", "writable"),
    [
        ("drwxr-xr-x root root etc", False),
        ("-rwxrwx--- root root x", False),
        ("-rwxrwx--- root staff x", True),
        ("-rwxr-xrwx root root x", True),
        ("-rwxr-xr-x nginx root x", True),
        ("drwxrwxrwt root root tmp", True),
        ("lrwxrwxrwx root root bin -> usr/bin", False),
    ],
)
def test_who_may_write_is_told_from_every_step_of_a_path(line: str, writable: bool) -> None:
    (part,) = keepalived_output.path_steps(f"f: /x\n{line}")
    assert part.writable_by_others is writable


# --- the system ---


def test_addresses_and_neighbours_are_read() -> None:
    eth0 = system_output.interfaces(_text("addresses"))["eth0"]
    assert eth0.addresses[1].ip == IPv4Address("172.16.12.254")
    assert eth0.addresses[1].label == "eth0:0"
    table = system_output.neighbours(_text("neighbours", "host2"))
    assert table[IPv4Address("172.16.12.254")] == eth0.mac
    assert system_output.neighbours("[]") == {}
    other = system_output.neighbours('[{},{"dst":"fe80::1","lladdr":"02:00:00:00:00:01"}]')
    assert other == {IPv6Address("fe80::1"): "02:00:00:00:00:01"}


def test_units_and_listeners_are_read() -> None:
    units = system_output.units(_text("units"))
    assert units["nginx"]["ActiveState"] == units["keepalived"]["ActiveState"] == "active"
    web = [item for item in system_output.listeners(_text("listeners")) if item.port == 80]
    assert {program for item in web for program, _ in item.programs} == {"nginx"}


def test_http_answers_are_read() -> None:
    answer = http_output.response(_asked("page:host2"), timed=True)
    assert (answer.status, answer.body.strip()) == (200, "slaves.wangej.com")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.seconds is not None and answer.seconds < 1
    assert http_output.stub_status(http_output.response(_asked("nginx_status")).body)[0] > 0
