"""What nginx's unit lets it use, and snippets that want more: refused, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from settings import Cluster, Node
from tasks.machine.survey import SurveyedMachine, parse_survey
from tasks.nginx import service
from tests.support import fakes


def pair(**group: Any) -> tuple[Node, Cluster]:
    (cluster,) = settings.load(fakes.inventory(**group))
    return cluster.nodes[0], cluster


def unit(**group: Any) -> list[str]:
    return rendering.render("nginx/nginx.service.j2", node=pair(**group)[0]).splitlines()


def machine(**known: Any) -> SurveyedMachine:
    return parse_survey(fakes.survey(**known))


def test_by_default_nginx_writes_what_is_its_own_and_sees_no_home() -> None:
    lines = unit()
    assert "ReadWritePaths=/var/log/nginx /var/tmp/nginx -/run/tandem" in lines
    assert "ProtectHome=yes" in lines
    assert not [line for line in lines if line.startswith("Bind")]


def test_the_unit_allows_what_the_settings_do() -> None:
    lines = unit(
        nginx_writable_paths=["/srv/logs", "/home/u/logs"], nginx_readable_homes=["/home/w"]
    )
    assert "ReadWritePaths=-/srv/logs" in lines
    shown = ["ProtectHome=tmpfs", "BindReadOnlyPaths=-/home/w", "BindPaths=-/home/u/logs"]
    assert [line for line in lines if line.startswith(("ProtectHome", "Bind"))] == shown
    assert "ProtectHome=yes" not in lines
    assert "ProtectHome=yes" in unit(nginx_writable_paths=["/srv/logs"])


def test_every_path_that_is_walled_off_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server {\n  root /home/www;\n  access_log /srv/a.log;\n}\n")
    (tmp_path / "b.conf.j2").write_text("proxy_cache_path /srv/{{ node.priority }} keys_zone=a:1m;")
    snippets = {"nginx_snippets": str(tmp_path)}
    with pytest.raises(settings.SettingsError, match="no machine was touched") as error:
        service.make_generation(*pair(**snippets), machine(), "1.30.6-0")
    said = [str(mistake).partition(": nginx ")[0] for mistake in error.value.mistakes]
    assert said == [
        f"@fake/host1, {tmp_path}/a.conf:2: root = '/home/www'",
        f"@fake/host1, {tmp_path}/a.conf:3: access_log = '/srv/a.log'",
        f"@fake/host1, {tmp_path}/b.conf.j2:1: proxy_cache_path = '/srv/101'",
    ]
    allowed = {
        "nginx_writable_paths": ["/srv/a.log", "/srv/101"],
        "nginx_readable_homes": ["/home"],
    }
    service.make_generation(*pair(**snippets, **allowed), machine(), "1.30.6-0")


def test_rights_that_the_unit_keeps_from_nginx_are_refused_here(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server {\n  proxy_bind $remote_addr transparent;\n}\n")
    with pytest.raises(settings.SettingsError, match=r"a.conf:2: proxy_bind = .*CAP_NET_RAW"):
        service.make_generation(*pair(nginx_snippets=str(tmp_path)), machine(), "1.30.6-0")


def test_an_init_script_puts_up_no_walls(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("root /home/www; proxy_bind $remote_addr transparent;")
    old = machine(init="init")
    assert not old.systemd
    service.make_generation(*pair(nginx_snippets=str(tmp_path)), old, "1.30.6-0")


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("nginx_writable_paths", ["/etc/nginx"], "/etc is the system's or Tandem's"),
        ("nginx_writable_paths", ["/usr/html"], "/usr is the system's or Tandem's"),
        ("nginx_writable_paths", ["/var"], "/var/lib/tandem is the system's or Tandem's"),
        ("nginx_writable_paths", ["/var/lib/tandem/x"], "/var/lib/tandem is"),
        ("nginx_writable_paths", ["/run/app"], "/run/nginx"),
        ("nginx_writable_paths", ["/tmp/app"], "may be empty after each boot"),
        ("nginx_writable_paths", ["/srv/a", "/srv"], "/srv/nginx"),
        ("nginx_writable_paths", ["/home"], "/home/nginx"),
        ("nginx_writable_paths", ["srv/a"], "a list of directories"),
        ("nginx_writable_paths", ["/srv/../etc"], "a list of directories"),
        ("nginx_writable_paths", ["/srv/a b"], "a list of directories"),
        ("nginx_writable_paths", ["/srv/a\nUser=root"], "a list of directories"),
        ("nginx_writable_paths", ["/srv/%n"], "a list of directories"),
        ("nginx_writable_paths", ["/"], "a list of directories"),
        ("nginx_writable_paths", "/srv/a", "a list of directories"),
        ("nginx_readable_homes", ["/srv/a"], "below /home or /root"),
        ("nginx_readable_homes", ["/root"], "below /home or /root"),
        ("nginx_readable_homes", ["/home/a:/etc"], "below /home or /root"),
    ],
)
def test_a_directory_that_nginx_must_not_have_is_refused(
    setting: str, value: Any, remedy: str
) -> None:
    with pytest.raises(settings.SettingsError) as error:
        pair(**{setting: value})
    assert any(setting in str(one) and remedy in str(one) for one in error.value.mistakes)


def test_a_home_is_given_to_read_or_to_write() -> None:
    both = {"nginx_writable_paths": ["/home/a"], "nginx_readable_homes": ["/home/a"]}
    with pytest.raises(settings.SettingsError, match="lets nginx read it as well"):
        pair(**both)
