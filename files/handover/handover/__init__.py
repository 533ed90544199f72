"""Let connections go on when the address moves on purpose: this node's part of the hand-over.

While this node holds the address it has it on `lo`, too. When the address leaves, it stays there,
so that connections which live here can still receive and send; the new holder forwards their
segments (the kernel does, by a table of nftables that this program keeps loaded). A small UDP
message, the beat, tells the other nodes ten times a second that this node still has connections of
the address. Once the last connection has ended, or the window is over, what is left is reset and
the address taken off `lo`.

Without a window (`--window 0`) connections are reset the moment the address leaves: their clients
need not find out by waiting.

All that must outlive this program is in the kernel: a restart loses nothing. The address on `lo`
has a lifetime once it has left the interface, which is what remains of the window.
"""
