"""The beats, from a thread of their own: they go on while this program waits for its commands."""

import threading
import time

from common.netlink import interface_index
from handover.mesh_addresses import DEVICE

BEAT_S = 0.1
STANDS_STILL_S = 5.0


class Beating(threading.Thread):
    """Has `beats` (MeshBeats) said ten times a second. No other thread may use them meanwhile."""

    def __init__(self, beats):
        super().__init__(daemon=True)
        self.beats = beats
        self.ended = threading.Event()
        self.pauses = False
        self.went_on_s = time.monotonic()

    def run(self):
        while True:
            self._say(pauses=False)
            self.went_on_s = time.monotonic()
            if self.ended.wait(BEAT_S):
                break
        if self.pauses:
            self._say(pauses=True)

    def _say(self, pauses):
        index = interface_index(DEVICE)
        if index:
            self.beats.send(index, pauses)

    @property
    def goes_on(self):
        """Whether it has said something of late."""
        return self.is_alive() and time.monotonic() - self.went_on_s < STANDS_STILL_S

    def end(self, pauses):
        """No more beats. pauses: say at last that this is for a moment."""
        self.pauses = pauses
        self.ended.set()
        self.join(1)
