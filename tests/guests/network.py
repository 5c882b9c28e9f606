"""A guest's network: modules of its kernel's, fetched as the kernel itself, and a port of loopback that leads there."""

from __future__ import annotations

from pathlib import Path

from tests.guests import kernels

MODULES = ("failover", "net_failover", "virtio_net")
"""Each after what it depends on."""
PORT = 19317
"""Of the guest's, which can be reached from this machine: where an exporter listens."""
END = 19318
"""Another one, where a check waits for somebody to say that it may end."""


def modules(series: str) -> Path:
    """The folder with the modules of the newest kernel of the series that is here.

    Raises:
        Unavailable: no apt, no mirror, no such package on it; the text says which.
    """
    found = kernels.modules(series, "virtio_net")
    if {path.stem for path in found} != set(MODULES):
        raise kernels.Unavailable(f"kernel {series} lacks a module of {', '.join(MODULES)}")
    return found[0].parent


def device(port: int, end: int) -> list[str]:
    """QEMU's words: a card, and two ports of loopback that lead to `PORT` and `END`; the guest reaches nobody."""
    forward = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in ((port, PORT), (end, END)))
    return [
        *("-netdev", f"user,id=net,restrict=on,{forward}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]
