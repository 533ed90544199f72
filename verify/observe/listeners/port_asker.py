"""Which of these TCP ports take a connection? Asks all at once, and sends nothing.

    python3 port_asker.py SECONDS [ADDRESS]:PORT...

Prints "[ADDRESS]:PORT PROBLEM" a line for each, "ok" where it is none; last "asked COUNT". Runs on
the machines, with whatever Python 3 they have and nothing else.
"""

import errno
import os
import select
import socket
import sys
import time

end = time.monotonic() + float(sys.argv[1])
waiting, said = {}, {}
for target in sys.argv[2:]:
    address, _, port = target.rpartition(":")
    address = address.strip("[]")
    asking = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    asking.setblocking(False)
    code = asking.connect_ex((address, int(port)))
    if code in (0, errno.EINPROGRESS):
        waiting[asking] = target
    else:
        said[target] = os.strerror(code)
while waiting and end > time.monotonic():
    ready = select.select([], list(waiting), [], max(0, end - time.monotonic()))[1]
    for asking in ready:
        code = asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        said[waiting.pop(asking)] = os.strerror(code) if code else "ok"
        asking.close()
for target in sys.argv[2:]:
    print(target, said.get(target, "no answer in time"))
print("asked", len(sys.argv) - 2)
