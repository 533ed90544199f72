"""pyinfra's SSH connector, for machines as they are: one way for commands and for files.

Whatever goes to a machine is a command there: an upload is one that reads the file on its standard
input, as the user that sudo or doas makes of whoever logs in. So nothing passes through a file of
the login user's, which libpam-tmpdir would hide from root, and no SFTP server is needed, whose
protocol one line of ~/.bashrc breaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import IO, Any, cast

import gevent
import pyinfra.connectors.ssh
import pyinfra.connectors.util
from paramiko import Channel, SSHException
from pyinfra import logger
from pyinfra.api import Host, QuoteString, State, StringCommand
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.output import echo
from pyinfra.api.util import get_file_io
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import (
    CommandOutput,
    OutputLine,
    execute_command_with_sudo_retry,
    read_output_buffers,
)

import settings
from controller.long_work import beside_others
from controller.output.console import CommandProgress
from controller.ssh import reaching, standard_input, sudo_password
from controller.ssh.answer_marks import MarkedAnswer, marked
from controller.ssh.connection import ASK_EVERY_S, SILENCE_S, WatchedTransport
from controller.ssh.obstacles import LAST_SAID
from controller.ssh.received_file import ReceivedFile
from controller.ssh.silence_clock import SilenceClock
from controller.ssh.sudo_password import command_line

# For so long any command may print nothing that does not ask for more by `_timeout`. What takes
# longer says how far it is, or asks (`batched_facts.lasting`).
LIMIT_S = 120
# Slower than this no connection is taken to be, when a file is transferred.
BYTES_PER_S = 20_000
# Lines on stderr that begin like this are shown at once; they are no part of the answer. What a
# command waits for, and how far it is.
WAITING, PROGRESS = b"waiting: ", b"progress: "


def _sha256(data: Any) -> str:
    return hashlib.file_digest(data, "sha256").hexdigest()


class Cut(Exception):
    """A command did not come to its end; why, and what to do."""


class MachineConnector(SSHConnector):
    """Tells noise from answers, ends what is silent or takes too long, and says so."""

    def __init__(self, state: State, host: Host) -> None:
        super().__init__(state, host)
        settings.connect_as_in_lab(self)

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        options: dict[str, Any] = super().make_paramiko_kwargs()
        own = options["_pyinfra_ssh_paramiko_connect_kwargs"] or {}
        own = {**own, "transport_factory": WatchedTransport}
        options["_pyinfra_ssh_paramiko_connect_kwargs"] = own
        return options | reaching.known_hosts(options)

    def connect(self) -> None:
        """As pyinfra has it. Raises `ConnectError` that says what to look at."""
        with reaching.explaining(*settings.ssh_login(self.host)):
            super().connect()

    def run_shell_command(
        self,
        command: str | StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Whether the command succeeded, and what it printed; why it did not end is in stderr."""
        return self._run(command, print_output, print_input, arguments)

    def put_file(  # type: ignore[override]
        self,
        filename_or_io: str | IO[Any],
        remote_filename: str,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Write a file there; the machine compares its digest, and the wrong one does not stay."""
        with get_file_io(filename_or_io) as data:
            data.seek(0)
            digest = beside_others(_sha256, data)
            size = data.tell()
            remote = QuoteString(remote_filename)
            command = StringCommand(
                *("cat >", remote, '&& [ "$(sha256sum <', remote, f""")" = '{digest}  -' ] ||"""),
                *("{ rm -f", remote, "; echo 'it did not arrive whole' >&2; exit 1; }"),
            )
            arguments["_timeout"] = (arguments.get("_timeout") or LIMIT_S) + size // BYTES_PER_S
            done, output = self._run(command, print_output, print_input, arguments, data)
        return self._transferred(done, output, f"{remote_filename} was not uploaded")

    def get_file(  # type: ignore[override]
        self,
        remote_filename: str,
        filename_or_io: str | IO[Any],
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Read a file of the machine, as the user that sudo or doas makes."""
        command = StringCommand("cat", QuoteString(remote_filename))
        try:
            with get_file_io(filename_or_io, "wb") as into:
                kept = ReceivedFile(into)
                done, output = self._run(command, False, print_input, arguments, into=kept)
                kept.finish()
        except OSError as error:
            why = (
                f"{filename_or_io}, on this controller: {error.strerror or error}. Make room there"
            )
            done, output = False, CommandOutput([OutputLine("stderr", why)])
        return self._transferred(done, output, f"{remote_filename} was not downloaded")

    def _transferred(self, done: bool, output: CommandOutput, otherwise: str) -> bool:
        if not done:
            logger.error(f"{self.host.print_prefix}{otherwise}: {output.stderr or output.stdout}")
        return done

    def _run(
        self,
        command: str | StringCommand,
        print_output: bool,
        print_input: bool,
        arguments: dict[str, Any],
        data: IO[bytes] | None = None,
        into: ReceivedFile | None = None,
    ) -> tuple[bool, CommandOutput]:
        limit_s = arguments.pop("_timeout", None) or LIMIT_S
        stdin = arguments.pop("_stdin", None)
        pty = arguments.pop("_get_pty", False)
        wanted = arguments.pop("_success_exit_codes", None) or [0]

        def execute() -> tuple[int, CommandOutput]:
            shown, line, first = command_line(self.host, marked(command), arguments)
            logger.debug("Running command on %s: %s", self.host.name, shown)
            if print_input:
                echo(f"{self.host.print_prefix}>>> {shown}", err=True)
            feed = chain(
                [first.encode()],
                standard_input.chunks(data) if data else standard_input.lines(stdin),
            )
            return self._exchange(line, feed, into, limit_s, pty, print_output)

        try:
            code, output = execute_command_with_sudo_retry(
                self.host, cast("ConnectorArguments", arguments), execute
            )
        except Cut as cut:
            return False, CommandOutput([OutputLine("stderr", str(cut))])
        self.host.connector_data[LAST_SAID] = output.output
        return code in wanted, output

    def _exchange(
        self,
        command: str,
        feed: Iterator[bytes],
        into: ReceivedFile | None,
        limit_s: float,
        pty: bool,
        print_output: bool,
    ) -> tuple[int, CommandOutput]:
        """Carry a command out: its exit status, and what it printed. Raises `Cut`."""
        channel: Channel | None = None
        helpers: list[gevent.Greenlet[..., Any]] = []
        clock = SilenceClock(limit_s)
        out, err = MarkedAnswer(), MarkedAnswer()
        progress = CommandProgress(self.host)
        try:
            channel = self._open_channel()
            helpers.append(gevent.spawn(clock.close_late, channel))
            if pty:
                channel.get_pty()
            channel.exec_command(command.encode())
            helpers.append(gevent.spawn(standard_input.feed, channel, feed))
            output = read_output_buffers(
                _kept(out, clock.heard(channel.makefile("rb")), into),
                _without_progress(err, clock.heard(channel.makefile_stderr("rb")), progress),
                timeout=None,
                print_output=print_output,
                print_prefix=self.host.print_prefix,
            )
            status = channel.recv_exit_status()
        except (OSError, SSHException, EOFError) as error:
            raise Cut(self._lost(str(error))) from error
        finally:
            progress.end()
            gevent.killall(helpers, block=False)
            if channel:
                channel.close()
        if clock.late:
            raise Cut(
                f"{self.host.name}: the command has said nothing for {limit_s:g} s, and is given "
                "up. It may go on there: look at what it waits for, end that, and run this again."
            )
        if out.status is not None:
            return out.status, output
        if status == -1:  # there was none
            raise Cut(self._lost("the command ended without an exit status"))
        if status == 0:  # of whatever carries commands out
            raise Cut(f"{self.host.name}: {_not_whole(out, output)}")
        return status, output

    def _open_channel(self) -> Channel:
        transport = self.client and self.client.get_transport()
        if not transport:
            raise SSHException("there is no connection")
        # Longer than a machine may be silent, so that it is the silence that ends it, and is named.
        return transport.open_session(timeout=SILENCE_S + ASK_EVERY_S)

    def _lost(self, what: str) -> str:
        """Why a command did not end, where its connection may have ended."""
        transport = self.client and self.client.get_transport()
        if transport and transport.is_active():
            return f"{self.host.name}: {what}. Was it killed there (memory: dmesg)?"
        why = transport and getattr(transport, "saved_exception", None)
        address, port = settings.ssh_address(self.host)
        return (
            f"{self.host.name}: the connection is lost: {why or what}. Is the machine on, and can "
            f"it be reached (ssh -p {port} {address})?"
        )


def _without_progress(
    answer: MarkedAnswer, lines: Iterator[bytes], progress: CommandProgress
) -> Iterator[str]:
    """The lines of an answer, without those that tell how it goes on."""

    def told() -> Iterator[bytes]:
        for line in answer.after_begin(lines):
            if line.startswith(WAITING):
                progress.waits(_text(line))
            elif line.startswith(PROGRESS):
                progress.goes_on(_text(line.removeprefix(PROGRESS)))
            else:
                yield line

    return map(_text, answer.before_end(told()))


def _kept(answer: MarkedAnswer, lines: Iterator[bytes], into: ReceivedFile | None) -> Iterator[str]:
    """The lines of an answer; where it is a file, it is written and nothing is left."""
    own = answer.before_end(answer.after_begin(lines))
    if into is None:
        yield from map(_text, own)
        return
    for line in own:
        into.write(line)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\n")  # noise, and paths, may be in any encoding


def _not_whole(answer: MarkedAnswer, output: CommandOutput) -> str:
    """Why a command has not succeeded, though whatever carried it out has."""
    if answer.began:
        return "the command did not come to its end. Run this again."
    said = "; ".join(output.output_lines[-3:])[-300:] or "nothing was said"
    return f"the command was not carried out ({said}): a ForceCommand, or the login shell's files?"


def is_lost(host: Host) -> bool:
    """Whether the connection that was made to a machine has ended, or is about to."""
    client = getattr(host.connector, "client", None)
    transport = client and client.get_transport()
    if transport is None:
        return False
    return not transport.is_active() or getattr(transport, "is_silent", False)


def is_installed(host: Host) -> bool:
    """Whether `host`, if it is reached over SSH, is so by `MachineConnector`."""
    return type(host.connector) is not SSHConnector


def install() -> None:
    """Have pyinfra use it for every machine that is reached over SSH, in this process."""
    pyinfra.connectors.ssh.SSHConnector = MachineConnector  # type: ignore[misc]
    pyinfra.connectors.util.getpass = sudo_password.ask_once  # type: ignore[assignment]
