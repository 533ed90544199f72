"""Processes that may use no more than a share of one CPU, by a cgroup of this computer's kernel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure

PERIOD_US = 20_000
# Where each kind of hierarchy has the controller: version 1, and version 2.
VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


@contextmanager
def limited(name: str, pids: Iterable[int], share: float) -> Iterator[None]:
    """These processes together have at most `share` of one CPU, until it is left.

    Raises `CannotMeasure` where the kernel has no such limit for them.
    """
    quota_us = int(share * PERIOD_US)
    pids = list(pids)
    if VERSION_1.is_dir():
        group = VERSION_1 / name
        limits = {"cpu.cfs_period_us": f"{PERIOD_US}", "cpu.cfs_quota_us": f"{quota_us}"}
    else:
        group, limits = VERSION_2 / name, {"cpu.max": f"{quota_us} {PERIOD_US}"}
    try:
        group.mkdir(exist_ok=True)
        for file, value in limits.items():
            (group / file).write_text(value)
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise CannotMeasure(f"the CPU cannot be limited: {error}") from None
    try:
        yield
    finally:
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                (group.parent / "cgroup.procs").write_text(str(pid))
        os.rmdir(group)
