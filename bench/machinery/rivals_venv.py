"""What Tandem is measured against, in an environment of its own: requirements-bench.lock."""

from __future__ import annotations

from bench.machinery.bench_command import ROOT, CannotMeasure

VENV = ROOT / ".venv-bench"


def program(name: str) -> str:
    """One of its programs. Raises `CannotMeasure` where it is not installed."""
    path = VENV / "bin" / name
    if not path.exists():
        raise CannotMeasure(f"{path} is missing: make {VENV.name}/.installed")
    return str(path)
