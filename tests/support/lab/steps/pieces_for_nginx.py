"""A person's own pieces of every level for the lab's pair, and public ones on its machines."""

from __future__ import annotations

import io
import shlex
import tarfile
from pathlib import Path
from typing import Any

import settings
from lab.gateway import authority
from lab.twin import Lab
from tasks.machine.survey import parse_survey
from tasks.nginx import service
from tests.support import fakes, public_configurations
from tests.support.lab.breaking import on
from tests.support.public_configurations import PublicConfiguration

SECRET = "anna:{PLAIN}nobody-sees-this"
PIECES = {
    "main.d/own.conf": "env TZ;\n",
    "http.d/own.conf.j2": "server_tokens off;\nmap $uri $own_pieces { default {{ node.name }}; }\n",
    "server.d/own.conf": """\
location = /own-page {
    auth_basic            own;
    auth_basic_user_file  files/users;
    alias                 /etc/nginx/files/deep/page.txt;
}
""",
    "server.d/status.example.org/own.conf": """\
location = /own-site {
    return 200 "$own_pieces\\n";
}
""",
    "files/users": f"{SECRET}\n",
    "files/deep/page.txt": "a page of files\n",
    "files/deep/own.key": "a key of files\n",
}


def put(directory: Path) -> Path:
    """Write `PIECES` below `directory`."""
    for name, text in PIECES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def public_cases(flags: str) -> dict[str, PublicConfiguration]:
    """Those whose modules an nginx has that was compiled with `flags`, by a name for each."""
    needed = {"gitlab": "realip", "mosquitto": "with-stream"}
    every = {f"{case.name}-{case.over_tls}": case for case in public_configurations.ALL}
    return {
        name: case
        for name, case in every.items()
        if case.name not in needed or needed[case.name] in flags
    }


def lend_certificates(lab: Lab, host: str, issued: authority.Issued) -> None:
    """Put a certificate where the public configurations over TLS name theirs."""
    pair = [shlex.quote(path.read_text()) for path in (issued.certificate, issued.key)]
    live = "/etc/letsencrypt/live"
    on(
        lab,
        host,
        f"mkdir -p /etc/ssl/nginx {live} && cd /etc/ssl/nginx && umask 077 && "
        f"echo {pair[0]} >cloud.example.org.crt && echo {pair[1]} >cloud.example.org.key && "
        f"for name in home media matrix social; do at={live}/$name.example.org; mkdir -p $at; "
        "cp cloud.example.org.key $at/privkey.pem; cp cloud.example.org.crt $at/fullchain.pem; "
        "cp cloud.example.org.crt $at/chain.pem; done; "
        "echo 'ssl_session_tickets off;' >/etc/letsencrypt/options-ssl-nginx.conf",
    )


def judged(lab: Lab, host: str, directory: Path, tls: dict[str, Any]) -> dict[str, str]:
    """What the nginx of a machine says of the public configurations that it can have, as deploys
    would put them into /etc/nginx there."""
    shown = on(lab, host, "nginx -v 2>&1; nginx -V 2>&1")
    version = shown.split("nginx/")[1].split()[0]
    made: dict[str, dict[str, str | bytes]] = {}
    for name, case in public_cases(shown).items():
        group = case.put(directory / "given" / name, mended=True) | tls
        given = {**group, "nginx_version": version, "nginx_source": "debian"}
        (cluster,) = settings.load(fakes.inventory(**given))
        machine = parse_survey(fakes.survey())
        made[name] = dict(
            service.make_generation(cluster.nodes[0], cluster, machine, f"{version}-0").files
        )
    types = on(lab, host, "cat /etc/nginx/mime.types").encode()
    public_configurations.prepare(directory / "judged", made, types)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(directory / "judged", "judged")
    unpack = "rm -rf /root/judged && tar -xzf - -C /root"
    done = lab.ssh(host, unpack, input=packed.getvalue(), text=False)
    assert done.returncode == 0, done.stderr
    try:
        said = on(lab, host, "sh /root/judged/judge /usr/sbin/nginx /root/judged")
    finally:
        on(lab, host, "rm -rf /root/judged")
    return public_configurations.read_judgement(said)
