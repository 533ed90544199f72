"""The pair over TLS, as an operator changes it and a client asks it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from lab.gateway import authority
from lab.twin import Lab
from tests.support.lab.breaking import VIP
from tests.support.lab.deployment import QUICKLY_COMPILED, Done, deploy, verify

NAMES = (VIP, "www.example.org", "example.org", "status.example.org")


@dataclass
class Secured:
    """The pair with TLS on and two sites, and how to change them."""

    lab: Lab
    content: Path
    snippets: Path
    certificate: authority.Issued
    own: Path
    first: Done | None = None
    sites: list[dict[str, object]] = field(default_factory=list)

    def data(self) -> list[str]:
        settings = {
            "tls_certificate": self.certificate.certificate,
            "tls_key": self.certificate.key,
            "http3": True,
            "hsts_s": 300,
            "unknown_host": "close",
            "nginx_files": self.own,
            "nginx_snippets": self.snippets,
            "sites": json.dumps(self.sites),
            "nginx_extra_flags": json.dumps(QUICKLY_COMPILED),
        }
        return [word for key, value in settings.items() for word in ("--data", f"{key}={value}")]

    def deploy(self, *words: str) -> Done:
        done = deploy(self.lab, *self.data(), *words)
        assert done.returncode == 0, done.stdout
        return done

    def bad(self) -> set[str]:
        """What the verifier finds wrong, or warns of, but for the lab's old nginx and what its
        logs remember of earlier tests."""
        done = verify(self.lab, *self.data(), "--data", "skip=NGX-19,NGX-24,KA-11,KA-19")
        return set(re.findall(r"^(?:FAIL|warn) (\S+) ", done.stdout, re.MULTILINE))

    def curl(self, *words: str) -> str:
        done = self.asked(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return str(done.stdout)

    def asked(self, *words: str) -> Done:
        trusting = ["curl", "-sS", "--max-time", "4", "--cacert", str(self.certificate.ca)]
        places = [f"{name}:{port}:{VIP}" for name in NAMES[1:] for port in (80, 443)]
        names = [word for place in places for word in ("--resolve", place)]
        return self.lab.run([*trusting, *names, *words])
