"""A real nginx on this machine's loopback, with what a deploy would write to /etc/nginx."""

from __future__ import annotations

import re
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from settings import Node
from tasks.nginx import nginx_files
from tests.support.loopback.real_nginx import builds

# Nobody else listens there.
HTTP_PORT, HTTPS_PORT = 18080, 18443
CONF_D = "conf.d"
# What curl's exit codes mean. (nginx closes with a reset, where the client has sent more.)
CURL = {35: "no TLS", 52: "closed", 56: "closed"}


def binary(version: str, directory: Path) -> Path:
    """The nginx of this version among what labs have compiled, unpacked to `directory`."""
    (build,) = (build for build in builds() if build.version == version)
    with tarfile.open(build.archive) as tar:
        tar.extract("nginx", directory, filter="data")
    return directory / "nginx"


@dataclass(frozen=True)
class LoopbackNginx:
    """One that runs, and how it is asked."""

    directory: Path

    def curl(self, host: str, path: str = "/", *words: str, tls: bool = False) -> str:
        """ "STATUS LOCATION BODY", or what `CURL` calls its failure."""
        done = self._asked(host, path, "-w", "\n%{http_code} %{redirect_url}", *words, tls=tls)
        if done.returncode:
            return CURL.get(done.returncode, f"curl {done.returncode}")
        body, _, status = done.stdout.rpartition("\n")
        return " ".join(f"{status} {body if status[:3] == '200' else ''}".split())

    def whole(self, host: str, path: str, *words: str, tls: bool) -> str:
        """The whole answer, with its headers."""
        return self._asked(host, path, "-i", *words, tls=tls).stdout

    def _asked(
        self, host: str, path: str, *words: str, tls: bool
    ) -> subprocess.CompletedProcess[str]:
        port, scheme = (HTTPS_PORT, "https") if tls else (HTTP_PORT, "http")
        # Whatever the host is, a name or an address: nothing but loopback is asked.
        to = ["--connect-to", f"::127.0.0.1:{port}"]
        # (A build without HTTP/2 and one with it say the same so.)
        asked = ["curl", "-qsk", "--http1.1", "--noproxy", "*", "-m", "5", "--path-as-is", *to]
        url = f"{scheme}://{host}:{port}{path}"
        return subprocess.run([*asked, *words, url], capture_output=True, text=True)

    def said(self, text: bytes) -> bytes:
        """The beginning of the answer to what is sent as it is; empty for none."""
        with socket.create_connection(("127.0.0.1", HTTP_PORT), 5) as connection:
            connection.sendall(text)
            try:
                return connection.recv(4096)
            except ConnectionResetError:
                return b""


def write(node: Node, nginx: Path, directory: Path, snippets: dict[str, str]) -> Path:
    """/etc/nginx of `node` with all its paths below `directory`; its nginx.conf."""
    made = nginx_files.files(node, 1, "", nginx_files.Beside(texts=tuple(snippets.values())))
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True).stderr
    etc = directory / "etc"
    texts = made.texts | {f"{CONF_D}/{name}": text for name, text in snippets.items()}
    for path, text in (texts | {"mime.types": "types { text/html html; }\n"}).items():
        target = etc / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            target.write_bytes(text)
        else:
            target.write_text(_moved(text, directory, "http_v2_module" in built))
    for each in ("run", "log", "tmp", "html", "etc/conf.d"):
        (directory / each).mkdir(parents=True, exist_ok=True)
    (directory / "html" / "index.html").write_text("own page\n")
    for content in node.contents:
        place = directory / "sites" / content.name / "current"
        place.mkdir(parents=True, exist_ok=True)
        (place / "index.html").write_text(f"{content.page}\n")
    return etc / "nginx.conf"


def _moved(text: str, directory: Path, http2: bool) -> str:
    """A text for this machine: all its paths below `directory`, and what this build knows."""
    text = re.sub(r"/var/run/nginx|/run/nginx", f"{directory}/run", text)
    text = text.replace("/etc/nginx", f"{directory}/etc").replace(
        "/var/log/nginx", f"{directory}/log"
    )
    text = text.replace("/usr/html", f"{directory}/html")
    text = text.replace("/var/lib/tandem/sites", f"{directory}/sites")
    text = text.replace("user              nginx nginx;", "user root;")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temps = "".join(f"    {kind}_temp_path {directory}/tmp/{kind};\n" for kind in kinds)
    text = text.replace("http {\n", f"http {{\n{temps}", 1)
    return text if http2 else re.sub(r" http2(?=[ ;])|^ *http2 +on;$", "", text, flags=re.MULTILINE)


def judged(node: Node, nginx: Path, directory: Path, **snippets: str) -> str:
    """What nginx says in its test; "" for nothing but success."""
    conf = write(node, nginx, directory, {f"{name}.conf": text for name, text in snippets.items()})
    done = subprocess.run([nginx, "-t", "-q", *_files(conf)], capture_output=True, text=True)
    return done.stderr


def _files(conf: Path) -> list[str | Path]:
    return ["-c", conf, "-e", conf.parents[1] / "log" / "error.log"]


@contextmanager
def serving(node: Node, nginx: Path, directory: Path, **snippets: str) -> Iterator[LoopbackNginx]:
    """That nginx while it runs."""
    conf = write(node, nginx, directory, {f"{name}.conf": text for name, text in snippets.items()})
    words = [nginx, *_files(conf), "-g", "daemon off;"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    pid = directory / "run" / "nginx.pid"
    try:
        deadline = time.monotonic() + 10
        while not (pid.exists() and pid.read_text()):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr
            time.sleep(0.02)
        yield LoopbackNginx(directory)
    finally:
        process.terminate()
        said = process.communicate(timeout=10)[1]
        assert process.returncode == 0, said
