"""Sites with one path of everything, and the applications behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.gateway import authority
from tests.support.clients import gateway_application
from tests.support.loopback.loopback_servers import Application, UnixServer, application, started

# In the certificates of applications.
NAME = "app.example.org"
# `htpasswd -nb anna secret`, in the one form that every system's crypt knows.
ANNA = "anna:{PLAIN}secret\n"


def one_of_everything(here: Path) -> dict[str, Any]:
    right = authority.issue(here / "right", (NAME,))
    others = authority.issue(here / "others", (NAME,))
    (here / "users").write_text(ANNA)
    www, files = here / "www", here / "files"
    for path, text in {
        www / "a.php": "<?php",
        www / "sub/index.php": "<?php",
        www / "sub/.x.php": "<?php",
        www / "index.php": "<?php",
        www / "upload.jpg": "no script",
        www / ".env": "SECRET=1",
        www / ".git/config": "[core]",
        www / ".well-known/security.txt": "mail me",
        files / "there.txt": "text",
        files / "index.html": "the application",
        here / "secret.txt": "secret",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sockets = {}
    for protocol in ("fastcgi", "uwsgi"):
        sockets[protocol] = f"{here}/{protocol}.sock"
        started(gateway_application.serve(protocol, sockets[protocol]))
    started(UnixServer(f"{here}/http.sock", Application))  # type: ignore[arg-type]
    encrypted = application(tls=right)
    upstreams = {
        "app": {"servers": [application()]},
        "socket": {"servers": [f"unix:{here}/http.sock"]},
        "secure": {"servers": [encrypted], "tls": {"name": NAME, "ca_file": str(right.ca)}},
        "wrong-ca": {"servers": [encrypted], "tls": {"name": NAME, "ca_file": str(others.ca)}},
        "wrong-name": {
            "servers": [encrypted],
            "tls": {"name": "other.example.org", "ca_file": str(right.ca)},
        },
        "careless": {"servers": [encrypted], "tls": {"verify": False}},
        "php": {"servers": [f"unix:{sockets['fastcgi']}"]},
        "wsgi": {"servers": [f"unix:{sockets['uwsgi']}"]},
    }
    paths: dict[str, Any] = {
        f"/{name}/": {"proxy": name}
        for name in ("app", "socket", "secure", "wrong-ca", "wrong-name", "careless")
    }
    paths |= {
        "/strip.ped/": {"proxy": "app", "strip_path": True},
        "/told/": {
            "proxy": "app",
            "host": "inside.example.org",
            "send_headers": {"X-Script-Name": "/told", "X-Real-IP": "", "X-Asked": "$request_uri"},
            "hide_headers": ["X-Powered-By"],
        },
        "/wsgi/": {"uwsgi": "wsgi", "send_headers": {"X-Script-Name": "/wsgi"}},
        "/inside/": {"proxy": "app", "allow": ["10.0.0.0/8"]},
        "/mine/": {"proxy": "app", "allow": ["127.0.0.1"]},
        "/staff/": {"page": "staff", "basic_auth": {"file": str(here / "users"), "realm": "Staff"}},
        "/few/": {"page": "few", "limits": {"requests_per_s": 1, "burst": 2}},
        "/small/": {"proxy": "app", "max_body_mb": 1},
        "/large/": {"proxy": "app", "max_body_mb": 0},
        "/pieces/": {"proxy": "app", "buffering": False, "request_buffering": False},
        "/d/": {"directory": str(files), "listing": True},
        "/spa/": {"directory": str(files), "fallback": "/spa/index.html"},
        "/page": {"page": "one line"},
        "/old/": {"redirect": "https://www.example.org$request_uri", "status": 308},
    }
    sites = [
        {"server_names": ["www.example.org"], "page": "www", "paths": paths},
        {
            "server_names": ["staff.example.org"],
            "path_defaults": {"basic_auth": str(here / "users"), "max_body_mb": 2},
            "page": "staff alone",
            "paths": {
                "/app/": {"proxy": "app"},
                "/hook/": {"proxy": "app", "basic_auth": None, "max_body_mb": 1},
            },
        },
        {
            "server_names": ["php.example.org"],
            "paths": {
                "/": {
                    "fastcgi": "php",
                    "root": str(www),
                    "max_body_mb": 3,
                    "send_headers": {"X-Asked": "$request_uri"},
                },
            },
        },
        {
            "server_names": ["front.example.org"],
            "paths": {"/": {"fastcgi": "php", "root": str(www), "fallback": "/index.php"}},
        },
        {
            "server_names": ["one.example.org"],
            "paths": {
                "/": {"fastcgi": "php", "root": str(www), "script": "a.php"},
                "/app/": {"fastcgi": "php", "root": str(www), "script": "a.php"},
            },
        },
    ]
    return {"upstreams": upstreams, "sites": sites}
