"""Two signers for the tests of what is signed: keys are made once, since that takes a while."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.controller.signers import Signer, make_signer


@pytest.fixture(scope="module")
def signers() -> Iterator[tuple[Path, Signer, Signer]]:
    with tempfile.TemporaryDirectory() as keys:
        known, stranger = (make_signer(name, Path(keys)) for name in ("known", "stranger"))
        yield Path(keys), known, stranger
        for signer in (known, stranger):
            subprocess.run(["gpgconf", "--homedir", signer.home, "--kill", "all"], check=False)
