"""Ask an nginx for its health over HTTP."""

import time


def problem(address, port, timeout_s):
    """Why nginx is not healthy, in words; "" if it answers with success within `timeout_s`."""
    import socket  # here, because apply-nginx asks nothing when there is no change: 5 ms of start

    deadline_s = time.monotonic() + timeout_s
    try:
        with socket.create_connection((address, port), timeout_s) as connection:
            connection.settimeout(max(0.001, deadline_s - time.monotonic()))
            # A host name that no server block of the user's takes.
            connection.sendall(b"GET /tandem-health HTTP/1.0\r\nHost: tandem\r\n\r\n")
            status = connection.recv(64).decode("latin-1").split("\r\n")[0]
    except OSError as error:
        return f"does not answer on port {port} ({error})"
    return "" if " 200 " in status else f"answers {status!r} to GET /tandem-health"
