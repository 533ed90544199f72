"""The virtual environment of the programs that Tandem is compared with (.venv-bench)."""

from __future__ import annotations

from bench.machinery.bench_command import ROOT, CannotMeasure

VENV = ROOT / ".venv-bench"


def program(name: str) -> str:
    """The path of a program in it. Raises `CannotMeasure` if it is not installed."""
    path = VENV / "bin" / name
    if not path.exists():
        raise CannotMeasure(f"{path} is missing: make {VENV.name}/.installed")
    return str(path)
