"""People with a key, who sign files."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple


class Signer(NamedTuple):
    home: str
    fingerprint: str

    def sign(self, path: Path) -> None:
        gpg(self.home, "--yes", "--armor", "--detach-sign", "--output", f"{path}.asc", str(path))


def gpg(home: str, *words: str) -> str:
    command = ["gpg", "--homedir", home, "--batch", "--no-tty", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def make_signer(name: str, keys: Path) -> Signer:
    # Not below pytest's directories: gpg-agent's socket path has a limit of 108 characters.
    home = tempfile.mkdtemp()
    gpg(home, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
    listed = gpg(home, "--with-colons", "--list-keys")
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line[:3] == "fpr")
    (keys / f"{name}.asc").write_text(gpg(home, "--armor", "--export"))
    return Signer(home, fingerprint)
