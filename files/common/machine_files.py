"""Read small files, and replace files in one rename."""

import contextlib
import errno
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


def version(path):
    """What is another after each time that the file was written or replaced, whatever the clock
    was set to in between; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


# What a person does about it.
_REMEDIES = {
    errno.ENOSPC: "make room there (df -h, df -i), and deploy again",
    errno.EDQUOT: "raise the quota there, and deploy again",
    errno.EROFS: "see why that file system is read-only (dmesg), and deploy again",
    errno.EIO: "the disk fails (dmesg): replace it, and deploy again",
}


def in_words(error):
    """An exception for a person; of a file that could not be written also what helps."""
    if not isinstance(error, OSError) or not error.errno:
        return str(error)
    path = error.filename2 or error.filename
    where = f"{path}: " if path else ""
    remedy = _REMEDIES.get(error.errno, "mend that, and deploy again")
    return f"{where}{os.strerror(error.errno)}: {remedy}"


def write(path, data, mode=0o644):
    """Have exactly the bytes `data` at `path`, by one rename, on the disk. False if it was so
    already. Raises OSError, with the old file in place."""
    if content(path) == data:
        if mode == 0o600:
            os.chmod(path, mode)
        return False
    write_new(path, data, mode)
    _rename(new_name(path), path)
    return True


def _rename(new, path):
    try:
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    sync_directory(os.path.dirname(path))


def new_name(path):
    """Where a file is written before it gets its name; with a dot in front it does not count as
    configuration."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.new")


def old_name(path):
    """Where the old file is kept, while several are replaced together."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.old")


def link_name(path):
    """Where a link is made before it gets its name."""
    return path + ".new"


def left_beside(paths):
    """What a run that was killed has left beside the files and links at `paths`."""
    made = [name(path) for path in paths for name in (new_name, old_name, link_name)]
    return [path for path in made if os.path.lexists(path)]


def write_new(path, data, mode, group=None):
    """Write `data` at the `new_name` of `path`, on the disk; `group`: the number of its group.
    Raises OSError, leaving nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    new = new_name(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if group is not None:
                os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise OSError(error.errno, error.strerror, path) from None


def sync_file(path, flags=0):
    """Have a file's content on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(descriptor)


def sync_directory(path):
    """Have the names in a directory on the disk. Raises OSError."""
    sync_file(path, os.O_DIRECTORY)


def link(path, target):
    """Have a symbolic link at `path`, by one rename, on the disk."""
    new = link_name(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    os.symlink(target, new)
    _rename(new, path)
