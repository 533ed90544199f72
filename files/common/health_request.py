"""Ask an nginx for its health over HTTP."""

import time

# A host name that no server block of the user's takes.
REQUEST = b"GET /tandem-health HTTP/1.0\r\nHost: tandem\r\n\r\n"


def first_bytes(address, port, timeout_s):
    """The beginning of nginx's answer; empty where it accepts and closes without a word, which an
    nginx does whose worker_connections are used up. Raises OSError for no connection, no answer."""
    import socket  # here, because apply-nginx asks nothing when there is no change: 5 ms of start

    deadline_s = time.monotonic() + timeout_s
    with socket.create_connection((address, port), timeout_s) as connection:
        connection.settimeout(max(0.001, deadline_s - time.monotonic()))
        try:
            connection.sendall(REQUEST)
            return connection.recv(64)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def is_success(answer):
    """Whether an answer, of which `answer` is the beginning, tells of success."""
    return b" 200 " in answer.split(b"\r\n")[0]


def problem(address, port, timeout_s):
    """Why nginx is not healthy, in words; "" if it answers with success within `timeout_s`."""
    try:
        answer = first_bytes(address, port, timeout_s)
    except OSError as error:
        return f"does not answer on port {port} ({error})"
    status = answer.decode("latin-1").split("\r\n")[0]
    return "" if is_success(answer) else f"answers {status!r} to GET /tandem-health"
