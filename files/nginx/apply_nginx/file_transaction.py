"""Replace several files together: all of them are the new ones afterwards, or all the old ones."""

import contextlib
import os
import stat

from common.commands import Failed
from common.machine_files import content, in_words, new_name, old_name, sync_directory, write_new


def _exists(path):
    return os.path.lexists(path)


class _FileStep:
    """One path: what shall be there, and how to have back what was there."""

    def __init__(self, path, prepare):
        self.path = path
        self._prepare = prepare  # writes the new one at `new`; None: the path is removed
        self.new = new_name(path)
        self.old = old_name(path)
        self._was_there = False

    def prepare(self):
        """Everything that takes room on the disk. Raises OSError."""
        self.clean()
        self._was_there = _exists(self.path)
        if self._was_there:
            os.link(self.path, self.old, follow_symlinks=False)
        if self._prepare:
            self._prepare()

    def put(self):
        """Raises OSError."""
        if self._prepare:
            os.replace(self.new, self.path)
        elif self._was_there:
            os.unlink(self.path)

    def undo(self):
        """Raises OSError."""
        if self._was_there:
            os.replace(self.old, self.path)
        elif _exists(self.path):
            os.unlink(self.path)

    def clean(self):
        for path in (self.new, self.old):
            with contextlib.suppress(OSError):
                os.unlink(path)


class FileTransaction:
    """Collects what is to change; `commit` does it, in this order."""

    def __init__(self):
        self._steps = []

    def write(self, path, data, mode, group=None):
        """Have the bytes `data` at `path`; for a key also nobody but root may read it, and of a
        group that is given its members."""
        exposed = mode & 0o077 == 0 and _exists(path) and os.stat(path).st_mode & 0o077
        closed = group is not None and _exists(path) and os.stat(path).st_gid != group
        if content(path) != data or exposed or closed or stat.S_ISLNK(_mode(path)):
            self._steps.append(_FileStep(path, lambda: write_new(path, data, mode, group)))

    def link(self, path, target):
        """Have a symbolic link at `path`."""
        self._steps.append(_FileStep(path, lambda: os.symlink(target, new_name(path))))

    def remove(self, path):
        self._steps.append(_FileStep(path, None))

    def commit(self):
        """Raises OSError, with everything as it was before; `Failed` where that is not so."""
        directories = sorted({os.path.dirname(step.path) for step in self._steps})
        begun = []
        try:
            for directory in directories:
                os.makedirs(directory, exist_ok=True)
            for step in self._steps:
                step.prepare()
            for directory in directories:
                sync_directory(directory)
            for step in self._steps:
                begun.append(step)
                step.put()
            for directory in directories:
                sync_directory(directory)
        except OSError as error:
            _undo(begun, error)
            raise
        finally:
            for step in self._steps:
                step.clean()


def _mode(path):
    return os.lstat(path).st_mode if _exists(path) else 0


def _undo(steps, why):
    for step in reversed(steps):
        try:
            step.undo()
        except OSError as error:
            raise Failed(
                f"{in_words(why)}. And {step.path} could not be put back ({error.strerror}). "
                "That is tried again before nginx starts, and by the next deploy"
            ) from None
