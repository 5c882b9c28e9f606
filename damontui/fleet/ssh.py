"""The command that brings another machine's record here, as it is made."""

from __future__ import annotations

import ipaddress
import re

from damontui.errors import UsageError
from damontui.safe_text import shown

USER = "root"
"""The user on the other machine, who may monitor memory."""
FAR = "damontui record stat -o -"
"""The command on the other machine: one word to ssh, without characters that are special to a shell."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def host_of(instance: str) -> str:
    """The machine in the ``instance`` of an exporter, ``HOST:PORT`` or ``[ADDRESS]:PORT``.

    Only what can be nothing but a host's name or address: a label comes from whoever is scraped.

    Raises:
        UsageError: ``instance`` is neither.
    """
    name = re.sub(r":[0-9]+$", "", instance) if instance.count(":") == 1 or instance.startswith("[") else instance
    inner = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if len(inner) <= 253 and _NAME.fullmatch(inner):
        return inner
    try:
        address = ipaddress.IPv6Address(inner)
    except ValueError:
        address = None
    if address is None or address.scope_id is not None:
        raise UsageError(f"{shown(instance)[:60]!r} is no name of a machine that could be asked by ssh")
    return str(address)


def ssh_command(instance: str) -> list[str]:
    """The words that start ssh: it asks for nothing, opens no terminal there, and takes no option from a name.

    Raises:
        UsageError: the instance names no machine.
    """
    return ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", f"{USER}@{host_of(instance)}", FAR]
