"""Where a program listens: on this machine alone, unless another address is written."""

from __future__ import annotations

import ipaddress

from damontui.errors import UsageError


def parse_address(text: str, name: str = "--listen", default: int = 19317) -> tuple[str, int]:
    """``PORT`` (of loopback), ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``: the address and the port. Raises `UsageError`.

    Addresses are numbers or ``localhost``; all of the machine's own are ``0.0.0.0`` and ``[::]``, never left out.
    """
    host, colon, port = text.rpartition(":")
    if colon and not host:
        raise UsageError(
            f"{name}: {text!r} names no address; write 127.0.0.1{text}, or 0.0.0.0{text} for all addresses"
        )
    if not (port.isascii() and port.isdigit() and 0 <= int(port[:6]) < 65536):
        raise UsageError(f"{name}: {text!r} has no port of 0 … 65535; write ADDRESS:PORT, such as 127.0.0.1:{default}")
    if not colon or host == "localhost":
        return "127.0.0.1", int(port)
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise UsageError(f"{name}: {host!r} is no address in numbers; write one such as 127.0.0.1 or [::1]") from None
    if (address.version == 6) != bracketed:
        raise UsageError(f"{name}: {text!r}: brackets stand around an IPv6 address, and around no other")
    return str(address), int(port)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    return ipaddress.ip_address(address).is_loopback
