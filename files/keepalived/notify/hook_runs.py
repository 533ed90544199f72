"""Runs a person's hooks, one after the other, each within its time; none of them stops another."""

import collections
import os
import select
import signal
import subprocess
import time

LOOKS_S = 0.02
KEPT_BYTES = 4096


class HookRun(collections.namedtuple("HookRun", "code duration_s said")):
    """How a hook has ended. code: its exit code, less than 0 for a signal; None where it took too
    long and was killed. said: the last line that it wrote to stderr."""

    def text(self, limit_s):
        """In words, for the log."""
        if self.code is None:
            how = f"killed after {limit_s:g} s"
        elif self.code < 0:
            how = f"ended by signal {-self.code} after {self.duration_s:.2f} s"
        else:
            how = f"exit {self.code} after {self.duration_s:.2f} s"
        return how + (f": {self.said}" if self.said else "")


def run_hook(path, arguments, environment, limit_s):
    """Run a hook. What it leaves in the background goes on, unless it took too long."""
    began = time.monotonic()
    reader, writer = os.pipe()
    try:
        try:
            hook = subprocess.Popen(
                [path, *arguments],
                env=dict(os.environ, **environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writer,
                start_new_session=True,
            )
        except OSError as error:
            return HookRun(127, time.monotonic() - began, error.strerror or str(error))
        finally:
            os.close(writer)
        said, code = b"", None
        while code is None and time.monotonic() - began < limit_s:
            said = (said + _read(reader, LOOKS_S))[-KEPT_BYTES:]
            code = hook.poll()
        if code is None:
            os.killpg(hook.pid, signal.SIGKILL)
            hook.wait()
        more = _read(reader, 0)
        while more and len(said) < 16 * KEPT_BYTES:
            said += more
            more = _read(reader, 0)
    finally:
        os.close(reader)
    lines = said.decode(errors="replace").strip().splitlines() or [""]
    return HookRun(code, time.monotonic() - began, lines[-1].strip())


def _read(descriptor, wait_s):
    """What there is to read within a time. (A grandchild may keep it open without a word.)"""
    ready, _, _ = select.select([descriptor], [], [], wait_s)
    if not ready:
        return b""
    found = os.read(descriptor, KEPT_BYTES)
    if not found:
        time.sleep(wait_s)  # closed: nothing would be waited for
    return found
