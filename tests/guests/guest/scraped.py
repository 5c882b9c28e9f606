"""``export`` in a guest with a network, for a Prometheus outside."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import struct
import urllib.request
from pathlib import Path

import numpy as np

from tests.guests.guest import Guest, Skip, check, program
from tests.guests.guest.system import as_found, switch_stat, wait
from tests.guests.network import END, MODULES, PORT

ADDRESS = "10.0.2.15"
"""Where QEMU's network of one machine expects it."""
_FINIT_MODULE = 313
"""The system call's number on x86-64."""
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8916, 0x891C, 0x8913, 0x8914
_UP = 1
IDLE, HOT = 256 << 20, 128 << 20
"""Bytes touched once, and all the time: so much that is hot keeps the kernel's aggregations at some seconds."""


def load_modules(folder: Path) -> None:
    """Load the card's driver, which the kernel has as modules."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name in MODULES:
        if Path(f"/sys/module/{name}").exists():
            continue
        descriptor = os.open(folder / f"{name}.ko", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.syscall(_FINIT_MODULE, descriptor, b"", 0):
                raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
        finally:
            os.close(descriptor)


def bring_up(interface: str) -> None:
    """Give the card its address."""

    def named(data: bytes) -> bytes:
        return struct.pack("16s", interface.encode()) + data

    def of(address: str) -> bytes:
        return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, named(of(ADDRESS)))
        fcntl.ioctl(control, _SIOCSIFNETMASK, named(of("255.255.255.0")))
        (flags,) = struct.unpack("16xh", fcntl.ioctl(control, _SIOCGIFFLAGS, named(bytes(16)))[:18])
        fcntl.ioctl(control, _SIOCSIFFLAGS, named(struct.pack("h14x", flags | _UP)))


def card() -> str:
    """The name of the network card; "" while there is none."""
    return next((one for one in sorted(os.listdir("/sys/class/net")) if one != "lo"), "")


def meminfo(name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    found = re.search(rf"(?m)^{name}: +(\d+) kB$", Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) * 1024


def installed() -> int:
    """Bytes of memory, by the kernel's map of physical addresses."""
    lines = re.findall(r"(?m)^([0-9a-f]+)-([0-9a-f]+) : System RAM", Path("/proc/iomem").read_text())
    return sum(int(end, 16) + 1 - int(start, 16) for start, end in lines)


@check(limit=600)  # on none by itself: tests/guests/test_fleet.py boots a guest for it
def a_machine_outside_scrapes_it(guest: Guest) -> None:
    """`export` on all addresses of a guest says its memory to whoever scrapes it, until it is told to end"""
    folder = re.search(r"guest\.modules=(\S+)", Path("/proc/cmdline").read_text())
    if folder is None:
        raise Skip("this guest has no network: tests/guests/test_fleet.py boots one that has")
    load_modules(Path(folder[1]))
    bring_up(wait(card, 20, "a network card"))
    idle, hot = (np.zeros(size, np.uint8) for size in (IDLE, HOT))
    idle[::4096] = 1
    switch_stat(True)
    with as_found(), socket.create_server((ADDRESS, END)) as server:
        run = program.Background(guest.folder, "export", "stat", "--listen", f"0.0.0.0:{PORT}")
        free = [meminfo("MemFree")]
        server.settimeout(0.2)
        while True:
            hot[::4096] += 1
            free.append(meminfo("MemFree"))
            try:
                with server.accept()[0]:
                    break
            except TimeoutError:
                assert Path(f"/proc/{run.pid}/exe").exists(), run.err.read_text()
        page = urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=30).read().decode()
        run.send(signal.SIGTERM)
        done = run.wait(60)
    assert done.status == 128 + signal.SIGTERM, done
    assert "no password is asked for" in done.err
    guest.facts.update(free_least=min(free), free_most=max(free), total=meminfo("MemTotal"), installed=installed())
    guest.facts["kernel"] = os.uname().release
    guest.files["page"] = page.encode()
    guest.files["facts"] = json.dumps(guest.facts).encode()
    assert idle[0] == 1  # it was held until now
