"""A guest's network: modules of its kernel's, fetched as the kernel itself, and a port of loopback that leads there."""

from __future__ import annotations

import lzma
import subprocess
import tempfile
from pathlib import Path

from tests.guests.kernels import Unavailable, apt_options, cache, get, lock

SUITES = ("sid", "trixie-backports", "trixie", "bookworm-backports", "bookworm")
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
    kernel = get(series)
    place = kernel / "network"
    with lock(cache() / "lock"):
        if not all((place / f"{name}.ko").exists() for name in MODULES):
            _fetch(kernel.name, place)
    return place


def _fetch(version: str, place: Path) -> None:
    store = place.parent.parent
    options = apt_options(store / "apt", SUITES)
    with tempfile.TemporaryDirectory(dir=store, prefix="unpack-") as name:
        folder = Path(name)

        def apt(*words: str) -> bool:
            done = subprocess.run(
                ["apt-get", *options, *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=240,
            )
            return done.returncode == 0

        # newer suites have modules in a package of their own; lists that are too old have no such package
        packages = (f"linux-modules-{version}", f"linux-image-{version}")
        if not any(apt("download", one) for one in packages):
            apt("update")
            if not any(apt("download", one) for one in packages):
                raise Unavailable(f"Debian has no modules of {version} any more")
        for archive in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(folder / "root")], check=True)
        place.mkdir(exist_ok=True)
        for one in MODULES:
            path = next((folder / "root").rglob(f"{one}.ko*"), None)
            if path is None:
                raise Unavailable(f"kernel {version} has no module {one}")
            data = path.read_bytes()
            (place / f"{one}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)


def device(port: int, end: int) -> list[str]:
    """QEMU's words: a card, and two ports of loopback that lead to `PORT` and `END`; the guest reaches nobody."""
    forward = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in ((port, PORT), (end, END)))
    return [
        *("-netdev", f"user,id=net,restrict=on,{forward}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]
