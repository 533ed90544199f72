"""Watch this node's nginx, and tell keepalived through two small files whether it may serve.

    failed       1 takes this node out of the election at once (FAULT), 0 lets it take part
    last-resort  1 lets it take part behind every node whose nginx lives

The kernel tells the moment nginx's master ends (pidfd; its unit writes the same a little later,
should this program not run); an nginx that only hangs is noticed by asking over HTTP. Only this
program writes 0: once nginx has answered for a while, so that one that crashes again and again
moves the address once and not every second. If nobody else can hold the address there is no reason
to wait, and none to leave it nowhere: no other node's nginx answers, or they do and the address
does not, because they are on trial like this one.

A node that lacks what it needs beside nginx leaves the election, too, for all its VIPs: on each
interface that has a VIP, or that VRRP is spoken on, its own address and a route to another node
(`premises`). It would not hear the others, or not be reached. One that has lost its default route
still serves its own network: it goes behind every node that has one, and out once such a node has
the address.

A keepalived that is older than such an interface or address is deaf, and is killed: its unit starts
it anew. One that is stopped (SIGSTOP, a debugger), or whose VRRP process is gone, still has the
address while another node takes it; it is killed, and its unit cleans up behind it.

In a routed cluster there is no keepalived, and every node has the address: BIRD is told to announce
it to the routers, to announce it behind all other nodes (on trial, drained, the last resort), or to
withdraw it (`announcement`, `bird_routes`). What a node needs there is its own address and a route
to a router.
"""
