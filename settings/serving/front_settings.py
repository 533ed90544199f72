"""What is in front of nginx: other proxies, and what nginx believes of what they say of clients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from pydantic import Field

from settings.serving.path_options import Networks
from settings.values import Shared, Values

# nginx has it in a module that the recipe's flags leave out.
REALIP_FLAG = "--with-http_realip_module"
# Begins a connection in PROXY protocol (version 1) of whoever speaks for itself.
FOR_ITSELF = "PROXY UNKNOWN\r\n"
# What nginx knows of a request that a proxy in front may know better, and the name of what it says.
_KNOWN_BETTER = re.compile(r"\$(\{(scheme|https|server_port)\}|(scheme|https|server_port)\b)")


class FrontSettings(Values):
    """The part of a node's settings that is about who stands between it and its clients."""

    trusted_proxies: Shared[Networks] = Field(
        (), description='a list of addresses and networks, ["10.0.0.5", "fd00:1::/64"]'
    )

    proxy_protocol: Shared[bool] = Field(False, description="True or False")

    @property
    def opening(self) -> str:
        """What a connection to a VIP begins with, before TLS and HTTP."""
        return FOR_ITSELF if self.proxy_protocol else ""

    @property
    def spoken(self) -> str:
        """What `listen` says of it, but for a machine's own addresses."""
        return " proxy_protocol" if self.proxy_protocol else ""

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Whom nginx believes, each network once."""
        return tuple(dict.fromkeys(map(ip_network, self.trusted_proxies)))

    @property
    def trusted_apart(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The same in networks that have no address in common."""
        fours = (each for each in self.trusted_networks if isinstance(each, IPv4Network))
        sixes = (each for each in self.trusted_networks if isinstance(each, IPv6Network))
        return (*collapse_addresses(fours), *collapse_addresses(sixes))

    def as_asked(self, text: str) -> str:
        """`text` for nginx, its variables those of what the client has asked for: of the first
        proxy that it came to, where there are proxies in front."""
        if not self.trusted_proxies:
            return text
        return _KNOWN_BETTER.sub(
            lambda found: f"$tandem_{(found[2] or found[3]).removeprefix('server_')}", text
        )

    def headers_as_asked(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Their values as `as_asked` has them."""
        return {name: self.as_asked(value) for name, value in headers.items()}
