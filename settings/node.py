"""A machine as the inventory sets it: typed, frozen values.

Each field's description says what would be right; settings/validation.py shows it when a value is
not. `Shared` marks a setting that every machine of a cluster has to set alike. Those of what runs
beside keepalived are in `OwnPrograms`.
"""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from settings import nginx_paths, releases
from settings.network.mesh_addresses import SERVES_PORT
from settings.network.network_settings import NetworkSettings
from settings.network.routed_settings import RoutedSettings
from settings.network.written_networks import network4
from settings.own_pieces import STREAM_FLAG, has_streams
from settings.programs.own_programs import OwnPrograms
from settings.serving.serving_settings import ServingSettings
from settings.serving.site import RESERVED
from settings.serving.site_names import is_open
from settings.values import (
    SHARED_MARK,
    AuthPass,
    Directory,
    Home,
    Shared,
    Words,
    in_url,
)

# Of a machine, and of a group of them.
Name = Annotated[str, Field(pattern=r"^[\w.@/-]+$")]
# nginx's configure splits, expands and quotes what it is given once more.
Flag = Annotated[str, Field(pattern=r"^--[a-z][\w-]*(=[\w./:=,+@%^~-]*)?$")]
# Settings whose values are never shown.
SECRETS = frozenset({"auth_pass"})
# UDP port on which a node announces that it has the address; each further VIP has the next one, and
# in a routed cluster the mesh in which nodes pass segments on.
BEAT_PORT = 7112
# What an nginx process may open besides two files for each connection.
OTHER_FILES = 512


class Node(NetworkSettings, RoutedSettings, ServingSettings, OwnPrograms):
    """One machine with everything that was set for it."""

    name: Name = Field(description="letters, digits, dots and hyphens")
    cluster: Name = Field(description="a group's name: letters, digits, dots and hyphens")
    lab: bool
    lab_base: Literal["bookworm", "trixie", "bookworm-sysv"] = Field(
        "bookworm", description='"bookworm", "trixie" or "bookworm-sysv"'
    )

    priority: int = Field(ge=1, le=254, description="1 to 254, the highest holds the VIP")
    page: str = Field(
        min_length=1, pattern=r"^[^\n]*$", description="one line, the page this machine serves"
    )

    nginx_sha256: str = Field(
        pattern=r"^([0-9a-f]{64})?$",
        description="the 64 hexadecimal digits of the tarball's sha256",
    )
    nginx_source: Annotated[str, Words(("nginx.org", "debian"))] = Field(
        pattern=r"^(nginx\.org|debian|.*/.*)$",
        description='"nginx.org", "debian", or the path of a tarball, with a / in it',
    )
    nginx_extra_flags: Shared[tuple[Flag, ...]] = Field(
        description='a list of flags of nginx\'s configure, ["--with-http_v2_module"]'
    )
    package_lock_wait_s: int = Field(300, ge=0, le=86400, description="0 to 86400 whole seconds")
    build_on: Literal["one", "each"] = Field(description='"one" or "each"')
    nginx_snippets: str = Field(min_length=1, description="a directory of *.conf and *.conf.j2")
    nginx_files: str = Field(
        "files/nginx", min_length=1, description="a directory with http.d, server.d, files, ..."
    )
    nginx_writable_paths: tuple[Directory, ...] = Field(
        (), description='a list of directories, ["/srv/logs"], without spaces and ".."'
    )
    nginx_readable_homes: tuple[Home, ...] = Field(
        (), description='a list of directories below /home or /root, ["/home/www/site"]'
    )
    drain_timeout_s: int = Field(ge=1, le=86400, description="1 to 86400 whole seconds")
    workload: Literal["cpu", "io"] = Field(description='"cpu" or "io"')
    worker_connections: int = Field(ge=64, le=1_000_000, description="64 to 1000000")
    http_port: Shared[int] = Field(ge=1, le=65535, description="1 to 65535")
    perl: Shared[bool] = Field(False, description="True or False")
    ntp_server: str = Field(pattern=r"^[\w.:-]*$", description='a host name, an address or ""')

    virtual_router_id: Shared[int] = Field(
        ge=1, le=255, description="1 to 255, a number that no other VRRP on this network uses"
    )
    vrrp_version: Shared[Literal[2, 3]] = Field(description="3, or 2 for the recipe's own values")
    # VRRPv3 counts in hundredths of a second.
    advert_interval_s: Shared[float] = Field(
        ge=0.02, le=40, multiple_of=0.01, description="0.02 to 40 seconds, in hundredths"
    )
    missed_adverts: Shared[int] = Field(
        ge=1, le=100, description="1 to 100; 3 is VRRP's own number"
    )
    health_interval_s: float = Field(ge=0.05, le=60, description="0.05 to 60 seconds")
    health_timeout_s: float = Field(ge=0.05, le=60, description="0.05 to 60 seconds")
    health_misses: int = Field(ge=1, le=100, description="1 to 100")
    health_trial_s: Shared[float] = Field(ge=0, le=60, description="0 to 60 seconds")
    preempt: Shared[bool] = Field(True, description="True or False")
    handover: Shared[bool] = Field(description="True or False")
    handover_window_s: Shared[int] = Field(ge=1, le=86400, description="1 to 86400 whole seconds")
    auth_pass: Shared[AuthPass] = Field(
        description="1 to 8 printable characters without spaces and without any of "
        '! # " $ \\ { }, where keepalived would cut it, or read something else',
    )
    auth_pass_file: str = Field("", description="the path of a file with auth_pass in it")
    auth_pass_env: str = Field(
        "", pattern=r"^\w*$", description="the name of a variable with auth_pass in it"
    )
    auth_pass_command: tuple[str, ...] = Field(
        (), description='the words of a command that prints auth_pass, ["sops", "-d", "FILE"]'
    )
    nginx_weight: Shared[int] = Field(ge=-253, le=-1, description="-253 to -1")
    maintenance_weight: Shared[int] = Field(ge=-253, le=-1, description="-253 to -1")
    check_interval_s: int = Field(ge=1, le=3600, description="1 to 3600 whole seconds")
    check_fall: int = Field(ge=1, le=100, description="1 to 100")

    metrics: bool = Field(False, description="True or False")
    metrics_allow: tuple[Annotated[IPv4Network, BeforeValidator(network4)], ...] = Field(
        (),
        description='a list of IPv4 addresses and networks, ["10.0.0.5", "10.1.0.0/24"]',
    )
    metrics_nginx_port: int = Field(9113, ge=1, le=65535, description="1 to 65535")
    metrics_port: int = Field(9114, ge=1, le=65535, description="1 to 65535")

    strict: bool = Field(False, description="True or False")

    @property
    def flags(self) -> tuple[str, ...]:
        """What nginx is configured with: the documented flags, and those that were asked for."""
        more = self.nginx_extra_flags
        of_streams = (STREAM_FLAG,) if has_streams(self.nginx_files) else ()
        needed = dict.fromkeys((*self.module_flags, *of_streams))
        more = (*(flag for flag in needed if flag not in more), *more)
        perl = (releases.PERL_FLAG,) if self.perl else ()
        return releases.DOCUMENTED_FLAGS + perl + more

    @property
    def files_limit(self) -> int:
        """Files one nginx process may open: a connection may need a second one, and there are its
        logs, listeners and ways to the other workers. An nginx that is out of files accepts nothing
        for half a second, as if it hung; one that is out of connections says so."""
        return 2 * self.worker_connections + OTHER_FILES

    @property
    def walls(self) -> nginx_paths.Walls:
        """What nginx's unit lets it write, and see of homes."""
        cache = (self.cache.path,) if self.cache else ()
        own = ("/var/log/nginx", "/var/tmp/nginx", "/run/nginx", *cache)
        return nginx_paths.Walls((*own, *self.nginx_writable_paths), self.nginx_readable_homes)

    @property
    def writable_homes(self) -> tuple[str, ...]:
        """Those of `nginx_writable_paths` that have to be shown to nginx first."""
        return tuple(filter(nginx_paths.in_home, self.nginx_writable_paths))

    @property
    def served_port(self) -> int:
        """The port that its page is served on."""
        return self.https_port if self.tls else self.http_port

    @property
    def own_names(self) -> tuple[str, ...]:
        """The hosts that Tandem's own requests name, and people who type an address: said where
        another server could get them. First the names, then this machine's addresses and VIPs."""
        given = [name for site in self.sites for name in site.server_names]
        if self.serves_unknown and not any(map(is_open, given)):
            return ()
        here = ("127.0.0.1", *(["::1"] if self.ipv6 else []), *self.own_addresses)
        vips = (vip.ip for _, vip in self.vip_settings)
        names = (RESERVED, "localhost", *map(in_url, (*here, *vips)))
        return tuple(name for name in dict.fromkeys(names) if name not in given)

    @property
    def default_names(self) -> tuple[str, ...]:
        """The default server's names in nginx's configuration."""
        return ("_", *self.own_names)

    @property
    def redirected_names(self) -> tuple[str, ...]:
        """Those of the server that leads from HTTP to TLS; others are unknown there, too."""
        sites = () if self.serves_unknown else self.sites
        return (*self.default_names, *(name for site in sites for name in site.names_in_nginx))

    @property
    def every_name(self) -> tuple[str, ...]:
        """Those of all servers that Tandem writes."""
        return (*self.default_names, *(name for site in self.sites for name in site.server_names))

    def url(self, address: object, path: str = "") -> str:
        """Where its page is asked for at one of its addresses, or the VIP; or another path."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{in_url(address)}:{self.served_port}{path or self.page_path}"

    @property
    def asked_directly(self) -> tuple[str, ...]:
        """The addresses that nginx is asked at without PROXY protocol, as `listen` has them:
        Tandem's own questions go there, and nobody's who comes through the VIP."""
        here = map(ip_address, ("127.0.0.1", "::1"))
        each = (*here, *self.own_addresses) if self.proxy_protocol else ()
        return tuple(in_url(one) for one in each if one.version == 4 or self.ipv6)

    @property
    def classic(self) -> bool:
        """Whether this is the recipe's own keepalived: VRRPv2, multicast, seconds."""
        return self.vrrp_version == 2 and not self.routed

    @property
    def beat_ports(self) -> range:
        """The UDP ports on which the hand-over says who carries a VIP, one for each; in a routed
        cluster the mesh's, too."""
        if self.routed:
            return range(BEAT_PORT, SERVES_PORT + 1)
        return range(BEAT_PORT, BEAT_PORT + (0 if self.classic else 1 + len(self.more_vips)))

    @property
    def advert_s(self) -> float:
        """Seconds between two adverts. VRRPv2 counts whole ones."""
        return max(1, round(self.advert_interval_s)) if self.classic else self.advert_interval_s

    @property
    def silence_adverts(self) -> int:
        """After so many missed adverts a silent holder is replaced."""
        return 3 if self.classic else self.missed_adverts

    @property
    def sha256(self) -> str:
        """The checksum that this node's tarball must have; "" for a release that is new here."""
        return self.nginx_sha256 or releases.SHA256.get(self.nginx_version, "")

    @property
    def notice(self) -> str:
        """A sentence on what the lab builds instead of what is set; empty where nothing differs."""
        if not self.lab or self.nginx_source != "debian":
            return ""
        newest = self.nginx_version == next(iter(releases.IN_DEBIAN))
        which = ", the newest that its mirrors carry" if newest else ""
        return (
            f"In the lab: nginx {self.nginx_version} out of Debian's source package{which}. "
            "Your own machines get what group_data/ says."
        )


# The settings that are marked `Shared`.
SHARED = tuple(name for name, field in Node.model_fields.items() if SHARED_MARK in field.metadata)
