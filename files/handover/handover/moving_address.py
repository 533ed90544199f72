"""One address that moves, as this node's kernel has it."""

import contextlib
import re
import socket
import subprocess

from common.commands import run
from common.journal import say, say_once
from common.machine_files import read, write
from handover.address_state import MARGIN_S, AddressState, parse_addresses

CONNECTIONS_S = 0.5  # between two looks for connections
RETRY_S = 2.0  # before a step that was refused is tried again


def logged(*words):
    """A command's output; None and a line in the journal if it fails, once as long as it does."""
    done = run(*words, timeout_s=10)
    say_once(" ".join(words), (done.errors or f"exit {done.code}") if done.code else "")
    return None if done.code else done.output


def batched(program, lines):
    """Have `ip` or `bridge` do all these, in one process; its output. What fails is said likewise,
    and does not keep it from the rest."""
    done = run(program, "-o", "-force", "-batch", "-", timeout_s=10, given="\n".join(lines) + "\n")
    refused = [lines[int(number) - 1] for number in re.findall(r"failed -:(\d+)", done.errors)]
    trouble = ": ".join(filter(None, ("; ".join(refused), done.errors or f"exit {done.code}")))
    say_once(f"{program} -batch", trouble if done.code else "")
    return None if done.code else done.output


def version(address):
    return 6 if ":" in address else 4


def prefix(address):
    return f"{address}/{128 if version(address) == 6 else 32}"


def remove_from_lo(address):
    logged("ip", "address", "delete", prefix(address), "dev", "lo")


def put_on_lo(address, lifetime):
    """Have the address on `lo`, for so many seconds or "forever"; whether that was done.

    Never this machine's own choice of a source: by its scope, or as a deprecated one.
    """
    mark = {4: ("scope", "host", "preferred_lft", lifetime), 6: ("preferred_lft", "0")}
    where = (prefix(address), "dev", "lo", "valid_lft", lifetime)
    return logged("ip", "address", "replace", *where, *mark[version(address)]) is not None


def remove_former_addresses(vips, saved):
    """Take addresses off `lo` that another inventory had there; save those of this one."""
    for vip in set(read(saved).split()) - set(vips):
        say(f"{vip}: of another inventory, taken off lo")
        remove_from_lo(vip)  # after a boot it is not there, which does no harm
    write(saved, "".join(f"{vip}\n" for vip in vips).encode())


class MovingAddress:
    """Observes the address, its connections, and takes the steps that its state decides."""

    def __init__(self, vip, own, others, interface, window_s, port):
        self.vip = vip
        self.bracketed = f"[{vip}]" if version(vip) == 6 else vip
        self.interface = interface
        self.others = [(other, port) for other in others]
        self.state = AddressState(window_s)
        self.holds, self.left_s = False, None
        self.connected = True
        self.connections_observed_s = 0.0
        self.own = own
        self.sender = None
        self.forgetting, self.to_forget = None, False
        self.refused, self.refused_s = AddressState.NOTHING, 0.0

    def observe(self):
        """Read where the address is."""
        shown = logged("ip", "-o", "address", "show", "to", prefix(self.vip))
        if shown is not None:
            self.holds, self.left_s = parse_addresses(shown, self.interface)

    def has_connections(self):
        """Whether a connection to the address lives here, or that cannot be found out."""
        states = ("state", "connected", "exclude", "time-wait")
        return logged("ss", "-Htn", *states, "src", self.bracketed) != ""

    def step(self, now_s):
        """Do what there is to do; whether that has changed where the address is."""
        gone = not self.holds and self.left_s is not None
        if not gone:
            self.connected = True
        elif now_s - self.connections_observed_s >= CONNECTIONS_S:
            self.connected = self.has_connections()
            self.connections_observed_s = now_s
            self._forget_ended_connections()
        if self.to_forget:
            self._forget_ended_connections()
        step = self.state.decide(now_s, self.holds, self.left_s, self.connected)
        if step == self.refused and now_s - self.refused_s < RETRY_S:
            return False
        if step not in (AddressState.NOTHING, self.refused):
            say(f"{self.vip}: {step}")
        self.refused = AddressState.NOTHING
        if step == AddressState.NOTHING:
            return False
        if getattr(self, step.replace(" ", "_"))() is False:
            self.refused, self.refused_s = step, now_s
        return True

    def have(self):
        """Have the address on `lo`, too."""
        done = put_on_lo(self.vip, "forever")
        self._forget_ended_connections()
        return done

    def let_go(self):
        """Keep the address on `lo` until the window is over."""
        done = put_on_lo(self.vip, str(self.state.window_s + int(MARGIN_S)))
        self._forget_ended_connections()
        return done

    def forget(self):
        """Take the address off `lo`."""
        remove_from_lo(self.vip)

    def cut(self):
        """Reset what is left, while its address is still there to be the reset's source."""
        logged("ss", "-K", "-t", "src", self.bracketed)
        self.forget()

    def _forget_ended_connections(self):
        """Have the kernel forget those that have ended (TIME_WAIT, a minute long).

        A client may by then use the same port for a connection that lives on another node. Were
        the address here, its segments would be taken for late ones of the old, and the client get
        no answer any more. So when the address goes, when it comes, and again and again between:
        connections that live on here end while it is away. There may be thousands: not waited for.
        """
        self.to_forget = self.forgetting is not None and self.forgetting.poll() is None
        if not self.to_forget:  # else once that one has ended: it may be past those of just now
            self.forgetting = subprocess.Popen(
                ("ss", "-K", "-t", "state", "time-wait", "src", self.bracketed),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def beat(self):
        """Tell the other nodes that segments may be sent here."""
        try:
            if self.sender is None:
                family = socket.AF_INET6 if version(self.own) == 6 else socket.AF_INET
                self.sender = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                self.sender.bind((self.own, 0))
        except OSError:
            self.sender = None  # its own address is not there (yet)
            return
        for other in self.others:
            with contextlib.suppress(OSError):  # no route, no cable: then nobody needs to hear it
                self.sender.sendto(b"tandem", other)
