"""What nginx serves: sites, paths, and the applications behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from settings.secret_origins import SecretOrigin, origins
from settings.serving.client_settings import KEEPS_WHILE_ENDING, ClientSettings
from settings.serving.front_settings import REALIP_FLAG, FrontSettings
from settings.serving.header_settings import (
    CACHE_STATUS,
    CHOICE,
    HSTS,
    PROFILE,
    PROFILES,
    HeaderChoice,
    changed,
)
from settings.serving.http_versions import (
    ALT_SVC,
    HTTP2_DIRECTIVE,
    HTTP2_FLAG,
    HTTP3_FLAG,
    TOLD,
    HttpVersions,
    alt_svc,
)
from settings.serving.kept_answers import Cache
from settings.serving.path_options import CHALLENGES, PathDefaults
from settings.serving.places import Content, Place, Places
from settings.serving.proxy import (
    DRILL_PATH,
    Locations,
    NameServer,
    Server,
    Upstream,
    Upstreams,
    tls_name,
)
from settings.serving.site import (
    Certificate,
    ShownCertificate,
    Site,
    brought,
    content_name,
    served_directory,
)
from settings.serving.site_options import ClosedSites
from settings.serving.streams import (
    STREAM_FLAG,
    STREAM_REALIP_FLAG,
    STREAM_TLS_FLAG,
    Stream,
    Streams,
)
from settings.serving.unknown_host import PAGE_NAME, UnknownHosts, page
from settings.values import UNREAD, NotRead, Shared

# The first release whose upstreams look names up again (`server NAME resolve`).
RESOLVES = (1, 27, 3)
# What clients put, delete and make; nginx has it in a module that the recipe's flags leave out.
DAV_FLAG = "--with-http_dav_module"
# The first releases that copy and move below `alias` without writing beyond their memory
# (CVE-2026-27654).
_COPIES = ((1, 28, 3), (1, 29, 7))
# Of the default server's files on the machines, as a site's name is of a site's.
DEFAULT_SERVER = "_"


def _within_the_cluster(sites: tuple[Site, ...], info: ValidationInfo) -> tuple[Site, ...]:
    """What is said for all paths (`path_defaults`, read before) holds for those of sites."""
    defaults = info.data.get("path_defaults")
    if defaults is None or defaults is UNREAD:
        return sites
    return tuple(site if site is UNREAD else site.within(defaults) for site in sites)


class ServingSettings(ClientSettings, FrontSettings, HttpVersions, UnknownHosts, ClosedSites):
    """The part of a node's settings that is about what nginx serves."""

    nginx_version: Shared[str] = Field(pattern=r"^\d+\.\d+\.\d+$", description='like "1.30.7"')

    upstreams: Shared[Upstreams] = Field((), description='{"NAME": {"servers": ["HOST:PORT"]}}')
    proxy: Shared[Locations] = Field((), description='{"/PATH": "NAME of an upstream"}')
    paths: Shared[Places] = Field((), description='{"/api/": {"proxy": "NAME of an upstream"}}')
    path_defaults: Shared[PathDefaults | None] = Field(
        None, description='what holds for all paths, {"max_body_mb": 64}, or None'
    )
    cache: Cache | None = Field(None, description='{"size_mb": 1024}, or None')
    resolver: Shared[tuple[NameServer, ...]] = Field(
        (), description='a list of name servers, ["10.0.0.53"] or ["[fd00::53]:5353"]'
    )
    resolver_valid_s: Shared[int] = Field(
        0, ge=0, le=86400, description="0 (as the name server says) to 86400 whole seconds"
    )

    streams: Shared[Streams] = Field(
        (), description='{"mqtt": {"listen": 1883, "to": ["10.0.0.11:1883"]}}'
    )

    sites: Shared[Annotated[tuple[Site, ...], AfterValidator(_within_the_cluster)]] = Field(
        (),
        description='a list of sites, [{"server_names": ["www.example.org"], "content": '
        '"DIRECTORY"}], or with "page" or "paths" instead of "content"',
    )
    tls_certificate: Shared[str] = Field("", description="the path of a PEM file on this machine")
    tls_key: Shared[str] = Field("", description="the path of a PEM file on this machine")
    tls_key_env: str = Field(
        "", pattern=r"^\w*$", description="the name of a variable with the key in it"
    )
    tls_key_command: tuple[str, ...] = Field(
        (), description='the words of a command that prints the key, ["sops", "-d", "FILE"]'
    )
    https_port: Shared[int] = Field(443, ge=1, le=65535, description="1 to 65535")
    hsts_s: Shared[int] = Field(
        0, ge=0, description="0, or so many seconds: 63072000 for two years"
    )
    headers: Shared[HeaderChoice] = Field(((PROFILE, "app"),), description=CHOICE)

    @property
    def release(self) -> tuple[int, ...]:
        """nginx's version as numbers, (1, 30, 6)."""
        return tuple(map(int, self.nginx_version.split(".")))

    @property
    def keeps_while_ending(self) -> bool:
        """Whether this nginx can keep connections a moment longer that have just been used."""
        return self.release >= KEEPS_WHILE_ENDING

    @property
    def http2_directive(self) -> bool:
        """Whether this nginx knows `http2 on`."""
        return self.release >= HTTP2_DIRECTIVE

    @property
    def speaks_http2(self) -> bool:
        """Whether any server speaks HTTP/2 over TLS."""
        return self.tls and any(map(self.http2_of, (None, *self.sites)))

    @property
    def speaks_http3(self) -> bool:
        """Whether any server speaks HTTP/3: all listen then, so that each decides for itself."""
        return any(map(self.http3_of, (None, *self.sites)))

    @property
    def dav_methods(self) -> tuple[str, ...]:
        """What clients may do with the files of a path with `webdav`."""
        stable, newer = _COPIES
        copies = self.release >= newer or stable <= self.release < (1, 29, 0)
        return ("PUT", "DELETE", "MKCOL", *(("COPY", "MOVE") if copies else ()))

    @property
    def challenges(self) -> str:
        """The path of what certificate authorities ask for."""
        return CHALLENGES

    @property
    def places(self) -> tuple[Place, ...]:
        """Every path of the default server that the settings give an answer to."""
        found = (*(location.place for location in self.proxy), *self.paths)
        return tuple(place.with_defaults(self.path_defaults) for place in found)

    @property
    def every_place(self) -> Iterator[Place]:
        """Those of all servers."""
        yield from self.places
        for site in self.sites:
            yield from site.places

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients of any site are asked for a certificate of theirs."""
        return any(site.client_certificates for site in self.sites)

    @property
    def contents(self) -> tuple[Content, ...]:
        """The files that a deploy brings for all servers."""
        own = [*brought(DEFAULT_SERVER, self.places)]
        if line := page(self.unknown_host):
            own.append(Content(PAGE_NAME, "", line))
        return (*own, *(content for site in self.sites for content in site.contents))

    def hsts_of(self, site: Site) -> int:
        """How many seconds browsers come back to a site over TLS only."""
        return self.hsts_s if site.hsts_s is None else site.hsts_s

    def headers_of(self, site: Site | None) -> dict[str, str]:
        """The headers that nginx adds to a site's answers, by name; None: to those of the default
        server, and of servers that people bring. A value may be one of nginx's variables."""
        always: dict[str, str] = {}
        if self.cache:
            always[CACHE_STATUS] = "$upstream_cache_status"
        if self.speaks_http3:
            always[ALT_SVC] = TOLD
        if self.tls and (seconds := self.hsts_of(site) if site else self.hsts_s):
            always[HSTS] = f"max-age={seconds}"
        common = changed(PROFILES["app"] | always, always, self.headers)
        return changed(common, always, site.headers) if site else common

    @property
    def alt_svc(self) -> str:
        """What clients are told of HTTP/3 who could come by it."""
        return alt_svc(self.https_port)

    def looks_up(self, upstream: Upstream) -> bool:
        """Whether a request's location has to look the upstream's name up: this nginx cannot do
        so for an upstream."""
        return upstream.resolve and self.release < RESOLVES

    def files_name(self, server: str, place: Place) -> str:
        """The name of a place's files on the machines, for a server's name among the settings."""
        return content_name(server, place)

    def files_directory(self, server: str, place: Place) -> str:
        """The directory that a place is served from."""
        return place.directory or served_directory(content_name(server, place))

    def upstream(self, name: str) -> Upstream:
        """The upstream of that name. Raises `NotRead` where there is none, which is a mistake."""
        for upstream in self.upstreams:
            if upstream.name == name:
                return upstream
        raise NotRead

    def stream_servers(self, stream: Stream) -> tuple[Server, ...]:
        """Whom a stream is passed on to. Raises `NotRead` for an upstream that is not there."""
        return self.upstream(stream.upstream).servers if stream.upstream else stream.to

    def stream_tls_name(self, stream: Stream) -> str:
        """The name in the certificates of a stream's servers, "" for none."""
        return tls_name(stream.to_tls, self.stream_servers(stream))

    def stream_certificate(self, stream: Stream) -> Certificate | None:
        """The one that a stream's clients are shown, if any."""
        if not stream.tls:
            return None
        return self.common_certificate if stream.tls.is_common else stream.own_certificate

    @property
    def page_path(self) -> str:
        """Where this machine's own page is: beside what answers "/", if anything does."""
        everything = any(place.path == "/" for place in self.places)
        return "/tandem-page" if everything else "/"

    @property
    def drill_path(self) -> str:
        """What drills download, where they have put it."""
        return DRILL_PATH

    @property
    def tls(self) -> bool:
        """Whether it serves over TLS."""
        return bool(self.tls_certificate)

    @property
    def module_flags(self) -> tuple[str, ...]:
        """The modules, beside the recipe's, that nginx is compiled with for what it serves."""
        over_tls = any(stream.tls or stream.to_tls for stream in self.streams)
        wanted = {
            HTTP2_FLAG: self.speaks_http2 or self.cleartext_http2,
            HTTP3_FLAG: self.speaks_http3,
            REALIP_FLAG: bool(self.trusted_proxies),
            DAV_FLAG: any(place.webdav for place in self.every_place),
            STREAM_FLAG: bool(self.streams),
            STREAM_TLS_FLAG: over_tls,
            STREAM_REALIP_FLAG: any(stream.accept_proxy_protocol for stream in self.streams),
        }
        return tuple(flag for flag, is_wanted in wanted.items() if is_wanted)

    @property
    def cleartext_http2(self) -> bool:
        """Whether clients may speak HTTP/2 without TLS: gRPC knows nothing else, and comes so from
        proxies in front that have taken TLS off."""
        bare = not self.tls or bool(self.trusted_proxies)
        return bare and any(place.grpc for place in self.every_place)

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Every certificate it serves; first the one for requests that name no site of its own."""
        return tuple(dict.fromkeys(shown.certificate for shown in self.shown_certificates))

    @property
    def shown_certificates(self) -> tuple[ShownCertificate, ...]:
        """Wherever it shows one, first to requests that name no site of its own."""
        found: list[ShownCertificate] = []
        if common := self.common_certificate:
            found.append(ShownCertificate(common.name, common, self.https_port))
            for index, site in enumerate(self.sites):
                if own := site.own_certificate(index):
                    found.append(ShownCertificate(own.name, own, self.https_port, own.asked_as))
        for stream in self.streams:
            if pair := self.stream_certificate(stream):
                found.append(ShownCertificate(stream.file_name, pair, stream.listen))
        return tuple(found)

    @property
    def common_certificate(self) -> Certificate | None:
        """The one for requests that name no site with its own."""
        if not self.tls_certificate or not self.key_origins:
            return None
        sites = () if self.sites is UNREAD else self.sites
        names = (name for site in sites if site is not UNREAD for name in site.without_own)
        return Certificate("default", self.tls_certificate, self.key_origins[0], tuple(names))

    @property
    def key_origins(self) -> tuple[SecretOrigin, ...]:
        """Where tls_certificate's key is had from: one, if that is said."""
        return tuple(origins(vars(self), "tls_key", file="tls_key"))
