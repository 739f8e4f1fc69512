"""A connection that leads only to where it may: the address that was judged is the one connected to.

Python's own HTTP client does the protocol. It is the leanest one (half the processor time of urllib3's pool, a seventh
of requests', measured on loopback), and connecting is a method of it that may be replaced: here it looks up a name
once, judges the addresses and connects to one that it has judged, so that no second answer of the name service can lead
elsewhere.
"""

import contextlib
import http.client
import ipaddress
import select
import socket
import ssl
from http import HTTPStatus

from stages.download.answer import UNKNOWN_HOST, Kind, RefusedError

CONNECT_TIMEOUT_S = 15.0
_NAT64 = [ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48")]
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class _Response(http.client.HTTPResponse):
    """An answer, without the announcements (1xx) that may come before it. RFC 9110, section 15.2."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            # http.client itself passes over 100 alone.
            version, status, reason = super()._read_status()  # pyright: ignore[reportAttributeAccessIssue]
            if not HTTPStatus.PROCESSING <= status < HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)


class HTTPConnection(http.client.HTTPConnection):
    """A connection to an address that has been judged, which another thread can cut."""

    response_class = _Response

    def __init__(self, host: str, port: int | None, private: bool, tls: ssl.SSLContext, timeout_s: float) -> None:
        """Prepare; nothing is asked before ``connect``.

        Args:
            host: a name or an address.
            port: ``None`` for that of the scheme.
            private: whether the host may have an address of this machine or network.
            tls: used where the scheme asks for it.
            timeout_s: the longest silence.
        """
        super().__init__(host, port, timeout=timeout_s)
        self._private, self._tls, self._timeout_s = private, tls, timeout_s
        # http.client gives its own up as soon as an answer says that it is the last one.
        self._link: socket.socket | None = None

    def connect(self) -> None:
        """Connect to an address of the host that is allowed.

        Raises:
            RefusedError: ``private_address`` or ``unknown_host``.
            OSError: no address could be reached.
        """
        self._link = self.sock = connect_checked(self.host, self.port, private=self._private, timeout_s=self._timeout_s)

    def cut(self) -> None:
        """End the connection at once, whoever reads from it."""
        link = self._link
        if link is not None:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                socket.socket.shutdown(link, socket.SHUT_RDWR)


class HTTPSConnection(HTTPConnection):
    """The same under TLS, with the certificate held against the host's name."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        """Connect as above, then agree on TLS.

        Raises:
            ssl.SSLError: the certificate is not one of the host's, or there is no TLS.
        """
        super().connect()
        # The handshake comes when the link can already be cut.
        self._link = self.sock = self._tls.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self._link.do_handshake()


def connect_checked(host: str, port: int, *, private: bool, timeout_s: float) -> socket.socket:
    """Connect to a host, if none of its addresses is one of this machine or network.

    Args:
        host: a name or an address.
        port: of the host.
        private: let such addresses be.
        timeout_s: the longest silence once it is connected.

    Raises:
        RefusedError: ``private_address`` or ``unknown_host``.
        OSError: no address could be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RefusedError(UNKNOWN_HOST, Kind.PASSING) from None
    if not private and not all(is_public(str(entry[4][0])) for entry in found):
        raise RefusedError("private_address")
    for position, (family, kind, protocol, _, address) in enumerate(found, start=1):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(min(CONNECT_TIMEOUT_S, timeout_s))
            made.connect(address)
            made.settimeout(timeout_s)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            made.close()
            if position == len(found):
                raise
        else:
            return made
    raise RefusedError(UNKNOWN_HOST, Kind.PASSING)


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet: not loopback, private, link-local, multicast or reserved."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # Addresses that carry an IPv4 address go where that one goes.
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if any(parsed in network for network in (*_NAT64, _IPV4_COMPATIBLE)):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        if inner:
            return is_public(str(inner))
        if parsed.is_site_local:
            return False
    return parsed.is_global and not parsed.is_multicast


def has_ended(connected: socket.socket) -> bool:
    """Say whether the host has closed an idle connection, or sent what nobody asked for."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))
