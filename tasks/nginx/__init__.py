"""nginx: compiled, staged as a generation, put into service; sites and snippets."""

from tasks.nginx.service import (
    SERVICE,
    apply,
    footprint,
    install_program,
    stage,
    stage_kept,
    vips_listened_on,
    workers,
)
from tasks.nginx.source_build import all_steps, install_build

__all__ = [
    "SERVICE",
    "all_steps",
    "apply",
    "footprint",
    "install_build",
    "install_program",
    "stage",
    "stage_kept",
    "vips_listened_on",
    "workers",
]
