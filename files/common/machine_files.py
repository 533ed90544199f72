"""Read small files, and replace files in one rename."""

import contextlib
import os


def read(path):
    """A file's text without the white space around it; "" where it cannot be read."""
    return (content(path) or b"").decode(errors="replace").strip()


def content(path):
    """A file's bytes; None where it cannot be read."""
    try:
        # Not open(), which asks the kernel twice as much: the watch reads sixty files a second.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))
        finally:
            os.close(descriptor)
    except OSError:
        return None


def modified_ns(path):
    """When a file was last written; 0 where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def write(path, data, mode=0o644):
    """Have exactly the bytes `data` at `path`, by one rename. False if it was so already."""
    if content(path) == data:
        if mode == 0o600:
            os.chmod(path, mode)
        return False
    directory, name = os.path.split(path)
    os.makedirs(directory, exist_ok=True)
    new = os.path.join(directory, f".{name}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    os.replace(new, path)
    return True


def link(path, target):
    """Have a symbolic link at `path`, by one rename."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + ".new")
    os.symlink(target, path + ".new")
    os.replace(path + ".new", path)
