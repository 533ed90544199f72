"""Sites: what they may be, what nginx is told, and what is sent where."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Node, content
from tasks.machine import firewall
from tasks.nginx import generation, nginx_files, sites
from tasks.nginx.sites import Versions
from tests.support import fakes, programs

json_text = programs.load("deploy_record.json_text")
SITE: dict[str, Any] = {"server_names": ["www.example.org", "example.org"], "page": "well"}


def mistakes(**given: Any) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(fakes.inventory(**given))
    return [
        str(mistake).removeprefix("@fake/host1, @fake/host2: ") for mistake in caught.value.mistakes
    ]


def node(**given: Any) -> Node:
    return settings.load(fakes.inventory(**given))[0].nodes[0]


def conf(found: Node) -> str:
    return nginx_files.servers(found)


@pytest.fixture
def issued(tmp_path: Path) -> dict[str, str]:
    made = authority.issue(tmp_path, ["www.example.org", "example.org"])
    return {"tls_certificate": str(made.certificate), "tls_key": str(made.key)}


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ({}, "sites[0].server_names = '(not set)': give a list of names, without"),
        (SITE | {"server_names": ["a b"]}, "sites[0].server_names = ['a b']: give a list of names"),
        (SITE | {"server_names": ["*.*.org"]}, 'without ports: "www.example.org", "*.example.org"'),
        (SITE | {"server_names": ["a.org:80"]}, 'names have no ports: write "a.org"'),
        (SITE | {"server_names": ["_"]}, "a machine's own page; give a name"),
        (SITE | {"server_names": ["A.org", "a.org"]}, "give each name once; nginx would ignore"),
        (SITE | {"server_names": [".a.org", "*.a.org"]}, "once (.NAME is NAME and *.NAME); nginx"),
        (SITE | {"server_names": ["~^(a"]}, "that nginx takes: missing ), unterminated subpattern"),
        (SITE | {"server_names": ["~^(?<host>a)"]}, "takes: $host is nginx's own variable"),
        (SITE | {"server_names": ["~a\n;"]}, "give a list of names"),
        (SITE | {"server_names": ["172.16.12.254"]}, "a machine's own page; give a name"),
        (SITE | {"server_names": ["tandem"]}, "a machine's own page; give a name"),
        (SITE | {"server_names": ["a.org", "a.org"]}, "give each name once"),
        (SITE | {"page": "two\nlines"}, "sites[0].page = 'two\\nlines': give one line"),
        (SITE | {"pgae": "x"}, "sites[0].pgae = 'x': there is no such setting; did you mean page?"),
        (SITE | {"content": "docs"}, "give either `content` or `page`"),
        ({"server_names": ["a.org"]}, "say what it serves: `content`, `page` or `paths`"),
        (
            {"server_names": ["a.org"], "content": "nowhere"},
            "sites[0].content = 'nowhere': give a directory that can be read",
        ),
        (SITE | {"tls_key": "x"}, "sites[0].tls_certificate = '': TLS takes both"),
        (
            SITE | {"tls_certificate": "x", "tls_key": "x"},
            "set tls_certificate and tls_key for all as well",
        ),
        ("www.example.org", "give each of sites as"),
        (SITE | {"maintenance": "yes"}, "maintenance = 'yes': give False, True, or {\"page\""),
        (SITE | {"maintenance": {"page": "ä" * 2001}}, "4000 bytes at the most"),
        (SITE | {"maintenance": {"page": "$"}}, "maintenance.page = '$': nginx would take a $ for"),
        (SITE | {"maintenance": {"alow": []}}, "did you mean allow?"),
        (SITE | {"client_certificates": {}}, "ca_file = '(not set)': give the path of a PEM"),
        (
            SITE | {"client_certificates": {"ca_file": "x", "verify": "off"}},
            'sites[0].client_certificates.verify = \'off\': give "on" or "optional"',
        ),
        (SITE | {"client_certificates": {"ca_file": "x"}}, "show them in TLS: set tls_certificate"),
        (SITE | {"client_certificates": {"ca_file": "x"}}, "file that can be read (No such file"),
        (SITE | {"client_certificates": {"ca_file": "README.md"}}, "holds no certificate in PEM"),
    ],
)
def test_a_site_that_cannot_be_is_refused(site: Any, said: str) -> None:
    assert any(said in mistake for mistake in mistakes(sites=[site])), mistakes(sites=[site])


def test_every_mistake_of_all_sites_is_told_at_once(tmp_path: Path, issued: dict[str, str]) -> None:
    outside = tmp_path / "outside"
    site = tmp_path / "site"
    outside.mkdir()
    site.mkdir()
    (site / "leak").symlink_to(outside)
    given = [
        {"server_names": ["other.org"], "page": "x"},
        {"server_names": ["www.example.org"], "content": str(site)},
    ]
    found = mistakes(sites=given, https_port=80, **issued)
    assert len(found) == 3
    assert "https_port = 80: http_port is the same; give another" in found
    assert any("and not for other.org" in mistake for mistake in found)
    assert any("leak leads out of it" in mistake for mistake in found)


@pytest.mark.parametrize("given", [{"tls_key": "x"}, {"hsts_s": 300}])
def test_half_of_tls_is_refused(given: dict[str, Any]) -> None:
    assert len(mistakes(**given)) == 1


@pytest.mark.parametrize(
    ("version", "listen", "directive"),
    [
        ("1.22.1", "listen       443 ssl http2 default_server;", False),
        ("1.26.3", "listen       443 ssl default_server;", True),
        ("1.30.6", "listen       443 ssl default_server;", True),
    ],
)
def test_http_2_is_said_as_the_release_knows_it(
    issued: dict[str, str], version: str, listen: str, directive: bool
) -> None:
    text = conf(node(nginx_version=version, sites=[SITE], **issued))
    assert listen in text and ("http2        on;" in text) is directive
    assert text.count("ssl_certificate_key  /etc/nginx/tls/default.key;") == 2


@pytest.mark.parametrize(
    ("version", "refused"),
    [("1.22.1", True), ("1.26.2", True), ("1.26.3", False), ("1.27.3", True), ("1.30.6", False)],
)
def test_clients_certificates_are_for_releases_that_keep_sites_apart(
    issued: dict[str, str], version: str, refused: bool
) -> None:
    site = SITE | {"client_certificates": {"ca_file": issued["tls_certificate"]}}
    given = {"sites": [site], "nginx_version": version, **issued}
    if refused:
        assert "a session of another site lets a client in" in mistakes(**given)[0]
    else:
        (text,) = nginx_files.site_files(node(**given)).values()
        assert "ssl_verify_client       on;" in text


def test_closing_handshakes_is_for_releases_that_can(issued: dict[str, str]) -> None:
    found = mistakes(unknown_host="close", nginx_version="1.18.0", **issued)
    assert any("cannot end a handshake so: give 421" in mistake for mistake in found)
    assert node(unknown_host="close", nginx_version="1.18.0").unknown_host == "close"


@pytest.mark.parametrize(
    "wrong",
    [
        *("serv", 500, True, None, {"redirect": "/x"}, {"redirect": "https://$host/"}),
        *({"page": "a\nb"}, {"page": ""}, {"page": 5}, {"page": "a", "status": 444}),
        *({"page": "a", "statos": 404}, {"status": 404}, {"page": "a", "status": True}),
        *({"redirect": "https://a.org/;"}, {"url": "https://a.org"}, "https://a.org/\n"),
    ],
    ids=str,
)
def test_another_answer_to_unknown_hosts_is_refused(wrong: object) -> None:
    (found,) = mistakes(unknown_host=wrong)
    assert found.endswith(
        'ive "serve", "close", 404, 421, {"page": "one line", "status": 404} (or 403, 410, 421, '
        '503), or {"redirect": "https://www.example.org"}; $request_uri may end it'
    ), found


def test_tls_has_one_flag_more_and_nothing_else_has(issued: dict[str, str]) -> None:
    flag = "--with-http_v2_module"
    assert flag not in node().flags and node(**issued).flags.count(flag) == 1
    assert node(nginx_extra_flags=[flag], **issued).flags.count(flag) == 1


def test_a_firewall_lets_both_ports_in(issued: dict[str, str]) -> None:
    cases: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({}, ["80"]),
        ({**issued}, ["80", "443"]),
    )
    for given, ports in cases:
        (cluster,) = settings.load(fakes.inventory(**given))
        ((_, entries),) = firewall.openings(cluster.nodes[0], cluster)
        assert [e for e in entries if e.startswith("port=")] == [f"port={p}/tcp" for p in ports]


def test_without_sites_and_tls_nothing_is_said_of_them() -> None:
    text = conf(node())
    assert text.count("server {") == 2, "the page's, and that of the health"
    assert not any(word in text for word in ("ssl", "/var/lib/tandem/sites", "443"))


def test_the_key_is_in_the_generation_for_root_alone_and_in_no_representation() -> None:
    made = generation.make(
        "b", port=80, drain_timeout_s=1, unit="", etc={"tls/default.key": "SECRET", "tls/d.pem": ""}
    )
    with tarfile.open(fileobj=io.BytesIO(made.tar())) as archive:
        modes = {member.name: member.mode for member in archive}
    assert modes["etc/tls/default.key"] == 0o600 and modes["etc/tls/d.pem"] == 0o640
    assert "SECRET" not in repr(made)


# --- content ---------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    (directory / "css").mkdir(parents=True)
    (directory / ".git").mkdir()
    (directory / ".git" / "config").write_text("password")
    (directory / "index.html").write_text("hello")
    (directory / "css" / "a.css").write_text("b {}")
    (directory / "home.html").symlink_to("index.html")
    return directory


def test_an_archive_is_the_same_for_the_same_files_and_has_no_history(site: Path) -> None:
    one, two = io.BytesIO(), io.BytesIO()
    content.pack(site, one)
    content.pack(site, two)
    assert one.getvalue() == two.getvalue()
    one.seek(0)
    with tarfile.open(fileobj=one) as archive:
        assert archive.getnames() == ["css/a.css", "home.html", "index.html"]
        assert all(member.isfile() and member.mode == 0o644 for member in archive)


def test_the_digest_follows_names_bytes_and_times_and_is_remembered(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {content.known_digest(site, tmp_path)}
    with monkeypatch.context() as patch:
        patch.setattr(content, "digest", lambda found: pytest.fail("it was read again"))
        seen.add(content.known_digest(site, tmp_path))
    assert len(seen) == 1
    known = (site / "index.html").stat()
    (site / "index.html").write_text("hullo")
    os.utime(site / "index.html", ns=(known.st_atime_ns, known.st_mtime_ns))
    seen.add(content.known_digest(site, tmp_path))
    (site / "css" / "a.css").rename(site / "css" / "c.css")
    seen.add(content.known_digest(site, tmp_path))
    os.utime(site / "css" / "c.css", (1, 1))
    seen.add(content.known_digest(site, tmp_path))
    assert len(seen) == 4


def test_a_link_that_leads_into_itself_is_refused(site: Path) -> None:
    (site / "css" / "again").symlink_to("..")
    with pytest.raises(content.ContentError, match="css/again leads to a directory"):
        content.entries(site)


def test_what_a_machine_has_is_read() -> None:
    lines = ["site a.org d2.200", "whole d2.200", "whole d1.100", "other d3.300", "site b.org "]
    lines += ["kept a.org d1", "kept gone.org d5"]
    assert sites.SiteVersions().process(lines) == {
        "a.org": Versions("d2.200", ("d1.100", "d2.200"), ("d3.300",), ("d1",)),
        "b.org": Versions(),
    }


def deployed(there: list[str], **given: Any) -> list[str]:
    own = {"fake_responses": {"sites/*/": there}}
    hosts = {
        f"@fake/host{place}": own
        | {"ssh_hostname": f"172.16.12.6{place}", "priority": 102 - place, "page": str(place)}
        for place in (1, 2)
    }
    commands = fakes.run("deploy.py", fakes.inventory(hosts, **given))["@fake/host1"]
    return [command for command in commands if "/tandem/sites" in command]


@pytest.mark.usefixtures("no_download")
def test_content_comes_before_the_configuration_and_goes_after() -> None:
    there = ["site old.org d.1", "whole d.1"]
    commands = deployed(there, sites=[SITE])
    (unpack,) = (place for place, text in enumerate(commands) if "tar --extract" in text)
    (switch,) = (place for place, text in enumerate(commands) if "mv -fT" in text)
    (remove,) = (place for place, text in enumerate(commands) if "rm -rf -- /" in text)
    assert unpack < switch < remove
    assert commands[remove].endswith("rm -rf -- /var/lib/tandem/sites/old.org")


@pytest.mark.usefixtures("no_download")
def test_what_is_there_is_not_sent_again_and_what_a_generation_names_stays() -> None:
    now = content.page_digest("well")
    place = "/var/lib/tandem/sites/www.example.org"
    there = [f"site www.example.org {now}.300"]
    there += [f"whole {now}.300", "whole a.100", "whole b.200", "other c.400"]
    there += ["kept www.example.org b", "kept www.example.org c"]
    commands = [text for text in deployed(there, sites=[SITE]) if "for site in" not in text]
    (removed,) = commands
    assert removed == (
        f"rm -rf -- {place}/a.100 {place}/a.100.whole {place}/c.400 {place}/c.400.whole"
    )


@pytest.mark.usefixtures("no_download")
def test_of_a_site_that_is_gone_stays_what_a_generation_names_and_it_is_not_served() -> None:
    place = "/var/lib/tandem/sites/old.org"
    there = ["site old.org d.2", "whole c.1", "whole d.2", "kept old.org d"]
    removed = [text for text in deployed(there) if text.startswith("rm ")]
    assert removed == [f"rm -rf -- {place}/current {place}/c.1 {place}/c.1.whole"]
    # The next deploy has nothing to do.
    there = ["site old.org ", "whole d.2", "kept old.org d"]
    assert not [text for text in deployed(there) if text.startswith("rm ")]


def test_the_versions_that_generations_name_are_read_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "20261128-100000.json").write_text(
        json_text.dumps({"contents": {"nginx": "n", "site a.org": "d1", "file /etc/x": "s"}}, " ")
    )
    command = sites.SiteVersions().command().replace(sites.INDEXES, f"{tmp_path}/*.json")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "kept a.org d1"
