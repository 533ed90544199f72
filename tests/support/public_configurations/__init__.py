"""Configurations as well-known projects document them, as people would put them into files/nginx.

Written anew: which directives, paths and ports a project needs is a fact; their text is not here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.gateway import authority

HERE = Path(__file__).parent


@dataclass(frozen=True)
class PublicConfiguration:
    """One project's, a directory beside this file.

    + over_tls: for a cluster that serves over TLS; otherwise for one that does not.
    + refused: what the deploy says of it as it is, nothing if it deploys without a change.
    + settings, edits: what those messages ask for: settings, and texts in the named file.
    """

    name: str
    over_tls: bool = False
    refused: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    edits: tuple[tuple[str, str, str], ...] = ()

    def put(self, directory: Path, *, mended: bool) -> dict[str, Any]:
        """Have its files in `directory`; the settings that say so, and those of the cluster."""
        shutil.copytree(HERE / self.name, directory, dirs_exist_ok=True)
        (directory / "conf.d").mkdir(exist_ok=True)
        if (directory / "conf.d" / "vault.conf").exists():
            issue(directory / "files" / "ssl", "vault")
            (directory / "files" / ".htpasswd").write_text("anna:$apr1$x$y\n")
        for file, old, new in self.edits if mended else ():
            text = (directory / file).read_text()
            assert old in text, (file, old)
            (directory / file).write_text(text.replace(old, new))
        given = {"nginx_snippets": str(directory / "conf.d"), "nginx_files": str(directory)}
        return {**given, **(self.settings if mended else {})}


def together(directory: Path, names: Iterable[str]) -> dict[str, Any]:
    """Have the files of several in one `directory`, as their messages ask for; the settings."""
    cases = [case for case in ALL if case.name in names]
    every = [case.put(directory, mended=True) for case in cases]
    writable = [path for given in every for path in given.pop("nginx_writable_paths", ())]
    return {name: value for given in every for name, value in given.items()} | {
        "nginx_writable_paths": writable
    }


def data(settings: dict[str, Any]) -> list[str]:
    """`settings` as pyinfra's --data takes them."""
    return [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in settings.items()
    ]


def issue(directory: Path, name: str) -> None:
    """A certificate of no authority, as `name`.pem, and its key."""
    directory.mkdir(parents=True, exist_ok=True)
    issued = authority.issue(directory, ("vault.example.org",))
    shutil.move(issued.certificate, directory / f"{name}.pem")
    shutil.move(issued.key, directory / f"{name}.key")


_HTTP2 = 'nginx_extra_flags = ["--with-http_v2_module"] adds it'
_DEFAULT = "default_server': on {} this is the default server"
_IN_CONF_D = "conf.d/nginx.conf"

ALL = (
    PublicConfiguration("nextcloud", over_tls=True),
    PublicConfiguration(
        "wordpress",
        refused=(
            "fastcgi_cache_path = '/var/cache/nginx/blog': nginx may write only below /var/log/ngi",
        ),
        settings={"nginx_writable_paths": ["/var/cache/nginx/blog"]},
    ),
    PublicConfiguration(
        "mastodon",
        over_tls=True,
        refused=("add its directory to nginx_writable_paths",),
        settings={"nginx_writable_paths": ["/var/cache/nginx"]},
    ),
    PublicConfiguration("grafana"),
    PublicConfiguration(
        "home-assistant",
        over_tls=True,
        refused=(
            "leave out ipv6only=off, and add `listen 80;`",
            "leave out ipv6only=off, and add `listen 443;`",
        ),
        edits=(
            ("conf.d/home.conf", ":80 default_server ipv6only=off;", ":80; listen 80;"),
            (
                "conf.d/home.conf",
                ":443 ssl default_server ipv6only=off;",
                ":443 ssl; listen 443 ssl;",
            ),
        ),
    ),
    PublicConfiguration("jellyfin", over_tls=True),
    PublicConfiguration("synapse", over_tls=True),
    PublicConfiguration(
        "discourse",
        refused=("proxy_cache_path = '/var/nginx/cache': nginx may write only below",),
        settings={"nginx_writable_paths": ["/var/nginx/cache"]},
    ),
    PublicConfiguration(
        "gitlab",
        refused=(
            _DEFAULT.format("80"),
            'nginx_extra_flags = ["--with-http_realip_module"] adds it',
        ),
        settings={"nginx_extra_flags": ["--with-http_realip_module"]},
        edits=(("conf.d/git.conf", " default_server;", ";"),),
    ),
    PublicConfiguration(
        "gunicorn",
        refused=(
            'worker_processes = \'1\': workload = "cpu" or "io" in group_data says how many',
            "user = 'nobody': Tandem's workers are user nginx's",
            "pid = '/var/run/nginx.pid': nginx's unit looks for it",
            "events = '{ }': Tandem has this block, with worker_connections of group_data",
            "without `http { }`",
            _DEFAULT.format("80"),
        ),
        edits=(
            (_IN_CONF_D, "worker_processes 1;\nuser nobody nogroup;\n", ""),
            (_IN_CONF_D, "pid /var/run/nginx.pid;\n", ""),
            (_IN_CONF_D, "events {\n    worker_connections 1024;\n    accept_mutex off;\n}\n", ""),
            (_IN_CONF_D, "http {\n", ""),
            (_IN_CONF_D, "80 default_server;\n        return 444;", "81;\n        return 444;"),
            (_IN_CONF_D, "    }\n}\n", "    }\n"),
        ),
    ),
    PublicConfiguration("vaultwarden", over_tls=True),
    PublicConfiguration("drupal"),
    PublicConfiguration("phpmyadmin"),
    PublicConfiguration("gitea"),
    PublicConfiguration(
        "puma",
        refused=(
            "server = '/home/deploy/app/shared/tmp/sockets/puma.sock': nginx does not see homes",
            "root = '/home/deploy/app/current/public': nginx does not see homes",
            "access_log = '/home/deploy/app/current/log/nginx.access.log': nginx may write only",
        ),
        settings={
            "nginx_readable_homes": ["/home/deploy/app"],
            "nginx_writable_paths": ["/home/deploy/app/current/log"],
        },
    ),
    PublicConfiguration(
        "distribution",
        refused=(
            "keepalive_timeout = '75': keepalive_timeout_s in group_data says it (65), and nginx "
            "takes it once: set that, and take the line out",
        ),
        settings={"keepalive_timeout_s": 75},
        edits=(("http.d/defaults.conf", "keepalive_timeout 75;\n", ""),),
    ),
    PublicConfiguration("mosquitto"),
)
# What the same need on a cluster that serves without TLS, and so has no HTTP/2.
WITHOUT_TLS = PublicConfiguration(
    "nextcloud",
    refused=(_HTTP2,),
    settings={"nginx_extra_flags": ["--with-http_v2_module"]},
)

# Judges each directory CASE/etc with the nginx given, at its final place, in a mount namespace of
# its own: what machines have beside (certificates, directories) is there for that moment only.
_JUDGE = r"""
nginx=$1 cases=$2
judge() {
    mount --make-rprivate / && mount -t tmpfs tmpfs /mnt && mkdir /mnt/all &&
    cp -a "$1" /mnt/all/case &&
    for top in etc var; do
        mkdir "/mnt/$top" "/mnt/$top.work" &&
        mount -t overlay -o "lowerdir=/$top,upperdir=/mnt/$top,workdir=/mnt/$top.work" o "/$top" ||
            return
    done
    mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /home || return
    rm -rf /etc/nginx && cp -a "$1/etc" /etc/nginx &&
    mkdir -p /run/nginx /var/log/nginx /var/tmp/nginx /var/nginx /var/cache/nginx \
        /home/deploy/app/current/log /etc/ssl/nginx || return
    grep -q ^nginx: /etc/passwd || echo nginx:x:998:998::/:/bin/false >>/etc/passwd
    grep -q ^nginx: /etc/group || echo nginx:x:998: >>/etc/group
    cp "$2/own.pem" /etc/ssl/nginx/cloud.example.org.crt
    cp "$2/own.key" /etc/ssl/nginx/cloud.example.org.key
    for name in home media matrix social; do
        at=/etc/letsencrypt/live/$name.example.org
        mkdir -p "$at" && cp "$2/own.key" "$at/privkey.pem"
        cp "$2/own.pem" "$at/fullchain.pem" && cp "$2/own.pem" "$at/chain.pem"
    done
    echo 'ssl_session_tickets off;' >/etc/letsencrypt/options-ssl-nginx.conf
    "$nginx" -t 2>&1
}
if [ "${3-}" ]; then judge "$cases/$3" "$cases"; exit; fi
for case in "$cases"/*/; do
    said=$(unshare -mn sh "$0" "$nginx" "$cases" "$(basename "$case")" 2>&1)
    echo "$(basename "$case") $?: $(echo "$said" | tr '\n' ' ')"
done
"""


def prepare(directory: Path, cases: dict[str, dict[str, str | bytes]], types: bytes) -> None:
    """Write what `judge` needs: the files of /etc/nginx of each case, by their paths."""
    issue(directory, "own")
    (directory / "judge").write_text(_JUDGE.lstrip())
    for name, files in cases.items():
        for path, text in {"etc/mime.types": types, **files}.items():
            if path.startswith("etc/"):
                file = directory / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text if isinstance(text, bytes) else text.encode())


def judge(directory: Path, nginx: str) -> dict[str, str]:
    """What nginx says of each case that `prepare` has written on this machine."""
    words = ["sh", str(directory / "judge"), nginx, str(directory)]
    return read_judgement(subprocess.run(words, capture_output=True, text=True).stdout)


def read_judgement(said: str) -> dict[str, str]:
    """By the case's name; it begins with the exit status."""
    lines = (line.partition(" ") for line in said.splitlines())
    return {name: rest for name, _, rest in lines}
