"""A real nginx on loopback, with what a deploy would write for some settings, in one directory."""

from __future__ import annotations

import http.client
import os
import platform
import re
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import settings
from settings.serving.site import SITES_ROOT
from tasks.nginx import nginx_files
from tests.support.lab.deployment import ARTIFACTS, ROOT
from tests.unit.settings.test_settings import inventory

# What is compiled in, or would touch this machine's own nginx: it goes into the directory.
_TEMPORARY = "".join(
    f"{name}_temp_path DIRECTORY/tmp/{name};\n"
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


class Build(NamedTuple):
    """A compiled nginx. `has_grpc`: its gRPC module comes with HTTP/2. `has_dav`: and WebDAV's."""

    version: str
    archive: Path
    has_grpc: bool
    has_dav: bool


def builds(*, http3: bool = False, streams: bool = False) -> list[Build]:
    """What labs of this checkout have compiled for a system like this: one of each release, with
    HTTP/2 and WebDAV where there is, or of those alone that have `http3`, or all that `streams`
    may want. (perl's module wants files that machines alone have.)"""
    wanted = [b"http_v3_module"] if http3 else []
    wanted += [b"with-stream ", b"stream_ssl_module", b"stream_realip_module"] if streams else []
    found: dict[str, Build] = {}
    system = platform.freedesktop_os_release()
    ours = f"*-{system['ID']}-{system.get('VERSION_ID', '')}-*.tar.gz"
    for archive in [*ARTIFACTS.glob(ours), *(ROOT / ".lab/artifacts").glob(ours)]:
        version = archive.name.partition("-")[0]
        with tarfile.open(archive) as tar:
            member = tar.extractfile("V")
            flags = member.read() if member else b""
        if b"http_perl_module" in flags or any(each not in flags for each in wanted):
            continue
        modules = (b"http_v2_module", b"http_dav_module")
        build = Build(version, archive, *(module in flags for module in modules))
        if version not in found or build[2:] >= found[version][2:]:
            found[version] = build
    return [found[version] for version in sorted(found)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


class RealNginx:
    """`etc`, `log`, `html` and `sites` are in `directory`, which has a short name: sockets do."""

    def __init__(self, build: Build, directory: Path, **given: Any) -> None:
        self.directory, self.port = directory, free_port()
        for name in ("etc/conf.d", "log", "run", "tmp", "html", "sites"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        with tarfile.open(build.archive) as tar:
            for name, target in (("nginx", "nginx"), ("mime.types", "etc/mime.types")):
                member = tar.extractfile(name)
                assert member
                (directory / target).write_bytes(member.read())
        (directory / "nginx").chmod(0o755)
        given = {"http_port": self.port, "nginx_version": build.version, **given}
        self.node = settings.load(inventory(**given))[0].preferred
        for name, text in nginx_files.files(self.node, 1, "build").texts.items():
            path = directory / "etc" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(self._moved(text.decode() if isinstance(text, bytes) else text))
        loopback = directory / "etc/conf.d/loopback.conf"
        loopback.write_text(_TEMPORARY.replace("DIRECTORY", str(directory)))
        for content in self.node.contents:
            self._bring(content.name, content.content, content.page)
        self._process: subprocess.Popen[bytes] | None = None

    def _moved(self, text: str) -> str:
        here = str(self.directory)
        for place, other in (
            ("/etc/nginx/", f"{here}/etc/"),
            ("/var/log/nginx/", f"{here}/log/"),
            ("/var/run/nginx/", f"{here}/run/"),
            ("/run/nginx/", f"{here}/run/"),
            (SITES_ROOT, f"{here}/sites"),
            ("/usr/html", f"{here}/html"),
        ):
            text = re.sub(rf"(?<![\w/]){re.escape(place)}", other, text)
        # A stream that proxies come to has a listener of this machine's own beside theirs.
        text = re.sub(r"(listen +)(\d+)(?= proxy_protocol)", r"\g<1>127.0.0.2:\2", text)
        text = re.sub(r"(listen +)(\d+)(?!\d*[.:])", r"\g<1>127.0.0.1:\2", text)
        user = "user root;" if os.geteuid() == 0 else ""
        return re.sub(r"^user .*$", user, text, flags=re.MULTILINE)

    def _bring(self, name: str, content: str, page: str) -> None:
        current = self.directory / "sites" / name / "current"
        current.mkdir(parents=True, exist_ok=True)
        if page:
            (current / "index.html").write_text(page)
        for file in Path(content).rglob("*") if content else ():
            if file.is_file():
                target = current / file.relative_to(content)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())

    def _command(self, *words: str) -> list[str]:
        here = self.directory
        given = ("-c", f"{here}/etc/nginx.conf", "-e", f"{here}/log/error.log")
        return [f"{here}/nginx", *given, *words]

    def test(self) -> str:
        """What `nginx -t` says; "" where it has nothing to say but that all is well."""
        done = subprocess.run(self._command("-t"), capture_output=True, text=True)
        lines = done.stderr.splitlines()
        return "\n".join(line for line in lines if " ok" not in line and "successful" not in line)

    def __enter__(self) -> RealNginx:
        self._process = subprocess.Popen(self._command("-g", "daemon off;"))
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, self.errors()
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(10)

    def errors(self) -> str:
        """Its error.log."""
        return (self.directory / "log/error.log").read_text()

    def ask(self, path: str, host: str = "vip", **more: Any) -> Answer:
        """One request, its path as it is given. `more`: method, body, headers."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Host": host, **more.get("headers", {})}
            method = more.get("method", "POST" if "body" in more else "GET")
            client.request(method, path, more.get("body"), headers)
            got = client.getresponse()
            names = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, names, got.read().decode())
        finally:
            client.close()
