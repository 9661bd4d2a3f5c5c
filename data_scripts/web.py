"""One request to a server: by http or https, within a time, to a public address where that matters.

An address may come from a file that others wrote. So a request goes nowhere else, also after a
redirection; a server that sends a byte now and then is left at the deadline; and with `public`
nobody is reached whom only this machine or its network can reach, whatever name he goes by.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import time
import urllib.parse
import urllib.request

SECONDS = 60  # without a sign from the server
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses, written as IPv6


class NotPublic(ValueError):
    """An address is that of this machine, or of a network that is not public."""


def opened(request: urllib.request.Request, seconds: float, public: bool = False):
    """The answer to a request, to be read within `seconds` from now, else it is a TimeoutError."""
    deadline = time.monotonic() + seconds
    web = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Plain(deadline, public),
        _Secure(deadline, public),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        web.add_handler(handler)
    return web.open(request, timeout=min(seconds, SECONDS))


class _Handler(urllib.request.AbstractHTTPHandler):
    def __init__(self, deadline, public):
        super().__init__()
        self.deadline, self.public = deadline, public

    def connect(self, kind, request, **options):
        """Send a request by a connection of a kind, HTTPConnection or HTTPSConnection."""
        address = urllib.parse.urlsplit(request.full_url)
        is_direct = request.host == address.netloc
        if self.public and not is_direct:  # the user's proxy connects: the name has to do
            _check_name(address.hostname or "")

        def connection(host, **more):
            made = kind(host, **more)
            made.response_class = lambda sock, *words, **names: _Answer(
                self.deadline, sock, *words, **names
            )
            if self.public and is_direct:
                made._create_connection = _to_public
            return made

        return self.do_open(connection, request, **options)


class _Plain(_Handler):
    http_request = urllib.request.AbstractHTTPHandler.do_request_

    def http_open(self, request):
        return self.connect(http.client.HTTPConnection, request)


class _Secure(_Handler):
    https_request = urllib.request.AbstractHTTPHandler.do_request_

    def https_open(self, request):
        context = ssl.create_default_context()
        return self.connect(http.client.HTTPSConnection, request, context=context)


class _Answer(http.client.HTTPResponse):
    """An answer whose every byte comes before the deadline."""

    def __init__(self, deadline, sock, *words, **names):
        super().__init__(sock, *words, **names)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, deadline))


class _Timed(io.RawIOBase):
    def __init__(self, raw, sock, deadline):
        self.raw, self.sock, self.deadline = raw, sock, deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("takes too long")
        self.sock.settimeout(min(left, SECONDS))
        return self.raw.readinto(buffer)

    def close(self):
        self.raw.close()
        super().close()


def _to_public(address, timeout=SECONDS, source_address=None):
    """A connection to a host and port, as `socket.create_connection` makes it.

    What is looked at is the number that is connected to: a name may lead anywhere, and elsewhere
    when it is asked for again.
    """
    host, port = address
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | NotPublic = NotPublic(f"{host[:80]} is no public address")
    for family, kind, protocol, _, place in places:
        if not is_public(place[0]):
            continue
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _check_name(host):
    """A NotPublic for a host of no public address, as far as this machine knows it."""
    try:
        places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return
    if not any(is_public(place[0]) for *_, place in places):
        raise NotPublic(f"{host[:80]} is no public address")


def is_public(number: str) -> bool:
    """Can everybody reach this number, such as 93.184.215.14, from everywhere?

    Not this machine's own, a private network's, or one that holds such a number in IPv6.
    """
    address = ipaddress.ip_address(number.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = inside or address
    return address.is_global and not address.is_multicast
