"""What can become of one request. Without dependencies: the probers' processes start with it."""

from __future__ import annotations

from enum import StrEnum


class RequestOutcome(StrEnum):
    """The class of a request. All but OK are lost; which one they are tells what was wrong."""

    OK = "ok"
    REFUSED = "refused"
    CONNECT_TIMEOUT = "connect_timeout"
    HOST_UNREACH = "host_unreach"
    RESET = "reset"
    EMPTY = "empty"
    READ_TIMEOUT = "read_timeout"
    HTTP_5XX = "http_5xx"
    WRONG_BODY = "wrong_body"


class Kind(StrEnum):
    """What goes on for longer than one request."""

    KEEP_ALIVE = "keep-alive"
    DOWNLOAD = "download"
    SESSION = "stream session"


MEANING = {
    RequestOutcome.OK: "answered with a node's page in time",
    RequestOutcome.REFUSED: "somebody holds the address, but nginx is down there",
    RequestOutcome.CONNECT_TIMEOUT: "nobody holds the address, or clients still ask a machine "
    "that has lost it",
    RequestOutcome.HOST_UNREACH: "nobody answers for the address any more",
    RequestOutcome.RESET: "cut in flight, or the connection lived on another machine",
    RequestOutcome.EMPTY: "closed without an answer",
    RequestOutcome.READ_TIMEOUT: "connected, but no answer: nginx hangs",
    RequestOutcome.HTTP_5XX: "nginx answers that it cannot",
    RequestOutcome.WRONG_BODY: "answered, but with no page of this cluster",
}
