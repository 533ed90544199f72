"""The programs that run on the machines, as modules: they have no .py at their end."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

from tests.support.fakes import ROOT


def load(name: str) -> Any:
    """files/*/`name`."""
    module_name = f"program_{name.replace('-', '_')}"
    loader = SourceFileLoader(module_name, str(next((ROOT / "files").glob(f"*/{name}"))))
    spec = spec_from_loader(module_name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
