"""The socket that a server listens on."""

import errno
import ipaddress
import socket

from midspan.errors import MidspanError


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`:`port`; port 0 takes any free one. Raises MidspanError if that cannot be had."""
    listener = _bound(host, port, shared=False)
    try:
        # Only a listening socket keeps others from taking the same port while the model loads.
        listener.listen()
    except OSError as error:
        listener.close()
        raise _refusal(host, port, error) from None
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket, not listening, beside which several processes can `join` the same port."""
    # A port that somebody else shares would be joined silently; bound alone it is refused.
    with _bound(host, port, shared=False) as alone:
        taken = alone.getsockname()[1]
    return _bound(host, taken, shared=True)


def join(host: str, port: int) -> socket.socket:
    """A listening socket beside those of other processes; the kernel spreads connections evenly over them."""
    listener = _bound(host, port, shared=True)
    listener.listen()
    return listener


def url_of(listener: socket.socket, scheme: str) -> str:
    """Where a listener is reached."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _bound(host: str, port: int, shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise MidspanError(f"there is no address {host}:{port}: {error}", "choose another host or port") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _refusal(host, port, error) from None
    return listener


def _refusal(host: str, port: int, error: OSError) -> MidspanError:
    reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
    return MidspanError(f"port {port} on {host} {reason}", "choose another with --port")
