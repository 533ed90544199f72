"""What tells keepalived that nginx has failed, where it does not see that by itself."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

from controller import rendering

IN_MODIFY = 2


@pytest.mark.parametrize("content", ["0\n", "1\n", ""])
@pytest.mark.parametrize("followed", ["the directory", "one that is no more", ""])
def test_it_fails_only_where_its_caller_follows_nothing_there_and_nginx_has_failed(
    tmp_path: Path, content: str, followed: str
) -> None:
    directory = tmp_path / "tandem"
    directory.mkdir()
    (directory / "failed").write_text(content)
    other = tmp_path / "other"
    other.mkdir()
    script = rendering.read("keepalived/failed-unseen").replace("/run/tandem", str(directory))
    libc = ctypes.CDLL(None, use_errno=True)
    instance = libc.inotify_init1(0)
    try:
        if followed:
            path = directory if followed == "the directory" else other
            assert libc.inotify_add_watch(instance, os.fsencode(path), IN_MODIFY) >= 0
        done = subprocess.run(["sh", "-c", script], check=False, capture_output=True)
    finally:
        os.close(instance)
    assert done.returncode == 0 or (content != "0\n" and followed != "the directory")
    assert done.returncode or content == "0\n" or followed == "the directory"
    assert done.stderr == b""


def test_without_its_directory_it_fails(tmp_path: Path) -> None:
    script = rendering.read("keepalived/failed-unseen").replace("/run/tandem", str(tmp_path / "x"))
    assert subprocess.run(["sh", "-c", script], check=False, capture_output=True).returncode
