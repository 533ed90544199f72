"""A mail about a state change, through a mail server that may not answer."""

import socket
import subprocess
import time

# A node whose cable was cut keeps trying for two minutes.
PAUSES_S = (1, 2, 5, 10, 20, 40, 40)
GIVES_UP_S = 150.0
ATTEMPT_S = 30

TEXT = """\
From: {sender}
To: {to}
Date: {date}
Subject: {vip}: {host} is now {new}
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Host:      {host}
VIP:       {vip}
Old state: {old}
New state: {new}
Time:      {time}
"""


def text(options, entry, since):
    """The mail. since: when it happened, in seconds since 1970."""
    local = time.localtime(since)
    return TEXT.format(
        sender=options.mail_from,
        to=", ".join(options.mail_to),
        date=time.strftime("%a, %d %b %Y %H:%M:%S %z", local),
        time=time.strftime("%Y-%m-%d %H:%M:%S %z", local),
        vip=entry.vip or options.vip,
        host=options.host,
        old=entry.old,
        new=entry.state,
    )


def url(server):
    """Where the mail goes. server: a name or an address, a port behind it or not."""
    try:
        socket.inet_pton(socket.AF_INET6, server)
        server = f"[{server}]"  # or its last part would be the port
    except OSError:
        pass
    return "smtp://" + server


def deliver(options, entry, since):
    """Mail it. False where that could not be done in two minutes; what has waited longer for those
    before it is tried once."""
    words = [
        *("curl", "-q", "--silent", "--noproxy", "*", "--max-time", str(ATTEMPT_S), "--crlf"),
        *("--url", url(options.smtp_server), "--mail-from", options.mail_from),
        *(word for address in options.mail_to for word in ("--mail-rcpt", address)),
        *("--upload-file", "-"),
    ]
    message = text(options, entry, since).encode()
    for pause in PAUSES_S:
        try:
            sent = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            sent.communicate(message)
            if not sent.returncode:
                return True
        except OSError:  # no curl, or no room to start it
            pass
        if entry.age_s > GIVES_UP_S:
            break
        time.sleep(pause)
    return False
