"""Run a command and take what it prints."""

import collections
import contextlib
import subprocess

KILLED_WITHIN_S = 0.1


class CommandResult(collections.namedtuple("CommandResult", "code output errors")):
    """A command's exit code (124: it took too long, 127: there is none), stdout and stderr."""

    @property
    def message(self):
        """What it printed, for a person."""
        return "\n".join(filter(None, (self.errors, self.output))) or f"exit {self.code}"


class Failed(Exception):
    """Why it could not be done, for the person who runs the deploy."""


def must(*words):
    """Run a command. Raises `Failed` with what it printed if it fails."""
    done = run(*words)
    if done.code:
        raise Failed(f"{' '.join(words)}: {done.message}")


def run(*words, timeout_s=None, given=None):
    """Run a command without any input, or with the text `given`."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
        )
    except OSError as error:
        return CommandResult(127, "", str(error))
    try:
        output, errors = process.communicate(given, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        # A grandchild may hold the pipes open: do not wait for their end.
        process.stdout.close()
        process.stderr.close()
        # Nor for one that the kernel does not let go of; the next command that is run buries it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILLED_WITHIN_S)
        return CommandResult(124, "", f"no answer within {timeout_s:g} s")
    return CommandResult(process.returncode, output.strip(), errors.strip())


def parse_properties(text):
    """The lines "NAME=VALUE" of what a command prints, by name."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
