"""Debian's packaged cloud kernels, fetched with the machine's own apt; nothing is installed.

`get` returns a folder that holds ``vmlinuz`` and, where the kernel has virtiofs as a module, an
``initrd`` that loads it. It is kept in ``$DAMONTUI_KERNELS``, else
``$XDG_CACHE_HOME/damontui-kernels``, else ``~/.cache/damontui-kernels``; a kernel that is there needs no network.
"""

from __future__ import annotations

import fcntl
import lzma
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUITES = ("sid", "trixie-backports", "trixie", "bookworm-backports", "bookworm")
"""Where cloud kernels are looked for, all at once: backports keep several series."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_IMAGE = re.compile(r"^linux-image-(\d[^ ]*-cloud-amd64) ", re.MULTILINE)


class Unavailable(Exception):
    """No such kernel here; the text says why."""


@dataclass(frozen=True)
class Series:
    """A kernel series that is worth booting, and what it stands for."""

    name: str
    why: str
    or_newer: bool = False
    """Where the mirror has dropped the series: the newest of all stands in for it."""


SERIES = {
    s.name: s
    for s in (
        Series("7.2", "kdamond_pid, the whole physical range, pause and probes", or_newer=True),
        Series("6.18", "aggr_interval_us and negative idle times, no kdamond_pid"),
        Series("6.17", "the first DAMON_STAT: no aggr_interval_us, memory in use shows 0"),
        Series("6.12", "DAMON over sysfs without auto-tuning and without DAMON_STAT"),
        Series("6.1", "no DAMON at all"),
    )
}


def cache() -> Path:
    """The folder that keeps fetched kernels. The password file says whose: tests set HOME to nowhere."""
    if own := os.environ.get("DAMONTUI_KERNELS"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache"
    return Path(base) / "damontui-kernels"


def get(series: str) -> Path:
    """The folder with ``vmlinuz`` of the newest kernel of ``series``, fetched where it is not in the cache yet.

    Raises:
        Unavailable: no apt, no mirror, no such kernel on it; the text says which.
    """
    store = cache()
    store.mkdir(parents=True, exist_ok=True)
    with lock(store / "lock"):
        if ready := _of_series([p.parent.name for p in store.glob("*/vmlinuz")], series):
            return store / ready[0]
        return _fetch(series, store)


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version))


def _of_series(versions: Sequence[str], series: str) -> list[str]:
    """Those of the series, newest first."""
    of = [v for v in versions if re.match(re.escape(series) + r"[.+-]", v)]
    return sorted(of, key=_version_key, reverse=True)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a file that only one process holds at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mirror(folder: Path = Path("/etc/apt")) -> str:
    """The address of the Debian archive in this machine's apt sources. Raises `Unavailable` where there is none."""
    texts = [p.read_text(errors="replace") for p in sorted((folder / "sources.list.d").glob("*.sources"))]
    addresses = [word for text in texts for line in re.findall(r"(?m)^URIs:(.*)$", text) for word in line.split()]
    lists = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    for path in lists:
        if path.exists():
            addresses += re.findall(r"(?m)^deb(?:\s+\[[^]]*\])?\s+(\S+)", path.read_text(errors="replace"))
    for address in addresses:
        if re.search(r"/debian/?$", address):
            return address
    raise Unavailable(f"no Debian mirror in {folder}/sources.list.d")


def modules(series: str, *names: str) -> tuple[Path, ...]:
    """Files of modules of that kernel as it can load them, each after what it depends on, fetched where they are not
    in its folder yet.

    A module that the kernel has built in has no file.

    Raises:
        Unavailable: no apt, no mirror, no such package on it; the text says which.
    """
    kernel = get(series)
    place = kernel / "modules"
    if not (place / _WHOLE).exists():
        with lock(kernel.parent / "lock"):
            if not (place / _WHOLE).exists():
                _fetch_modules(kernel, place)
    return needed(place, *names)


def needed(place: Path, *names: str) -> tuple[Path, ...]:
    """Files in a folder of modules, each after what it depends on; a module that has no file is left out."""
    found: list[Path] = []

    def add(name: str) -> None:
        path = place / f"{name}.ko"
        if path in found or not path.exists():
            return
        text = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for one in text[1].decode().split(",") if text is not None else ():
            add(one)
        found.append(path)

    for name in names:
        add(name)
    return tuple(found)


KEPT_MODULES = (
    *("zram", "zsmalloc", "lz4", "lz4_compress", "lz4hc", "lz4hc_compress", "lzo", "zstd", "842"),
    *("failover", "net_failover", "virtio_net"),
)
"""What is kept of a kernel's modules: memory as swap and a network card, and what those may depend on."""
_WHOLE = f".whole-{len(KEPT_MODULES)}"
"""In a folder of modules where all of these are that the kernel has."""


def _fetch_modules(kernel: Path, place: Path) -> None:
    apt = kernel.parent / "apt"
    options = apt_options(apt, SUITES)
    _run(["apt-get", *options, "update"], apt)  # the lists may be as old as the kernel
    said = ""
    with tempfile.TemporaryDirectory(dir=kernel.parent, prefix="unpack-") as name:
        folder = Path(name)
        # newer suites have the modules in a package of their own
        for package in (f"linux-modules-{kernel.name}", f"linux-image-{kernel.name}"):
            got = _run(["apt-get", *options, "download", package], folder)
            said = (got.stdout.strip().splitlines() or ["no word"])[-1]
            if got.returncode == 0:
                break
        packages = list(folder.glob("*.deb"))
        if not packages:
            raise Unavailable(f"no modules of kernel {kernel.name}: {said}")
        subprocess.run(["dpkg", "-x", str(packages[0]), str(folder / "root")], check=True)
        place.mkdir(exist_ok=True)
        for one in KEPT_MODULES:
            for path in folder.rglob(f"{one.replace('_', '[-_]')}.ko*"):
                data = path.read_bytes()
                (place / f"{one}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
    (place / _WHOLE).touch()


def apt_options(apt: Path, suites: Sequence[str]) -> list[str]:
    """Options for apt that make it look only into these suites, with all its state in the folder ``apt``.

    Raises:
        Unavailable: there is no apt here, no keyring or no mirror.
    """
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is missing: this comes from Debian's packages")
    if not Path(KEYRING).exists():
        raise Unavailable(f"{KEYRING} is missing; run: apt-get install debian-archive-keyring")
    for part in ("lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    address = mirror()
    (apt / "sources.list").write_text("".join(f"deb [signed-by={KEYRING}] {address} {s} main\n" for s in suites))
    words = {
        "Dir::Etc::sourcelist": f"{apt}/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::Lists": f"{apt}/lists",
        "Dir::Cache": f"{apt}/cache",
        "Dir::State::status": "/dev/null",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "APT::Architecture": "amd64",
    }
    return ["-q", *(part for name, value in words.items() for part in ("-o", f"{name}={value}"))]


def _fetch(series: str, store: Path) -> Path:
    apt = store / "apt"
    options = apt_options(apt, SUITES)
    address = mirror()
    # a suite that the mirror has dropped fails the update, but the others are there: what counts is what is found
    update = _run(["apt-get", *options, "update"], apt)
    found = _run(["apt-cache", *options, "search", "--names-only", "^linux-(image|binary)-[0-9].*-cloud-amd64$"], apt)
    versions = _IMAGE.findall(found.stdout)
    choice = _of_series(versions, series)[:3]
    if not choice and series in SERIES and SERIES[series].or_newer:
        newest = sorted(versions, key=_version_key, reverse=True)[:3]
        choice = [v for v in newest if _version_key(v) > _version_key(series)]
    if not choice:
        why = f"apt-get update said: {update.stdout.strip().splitlines()[-1:]}" if not versions else ""
        raise Unavailable(f"no cloud kernel {series} in {', '.join(SUITES)} on {address} {why}".rstrip())
    failures = []
    for version in choice:
        if (store / version / "vmlinuz").exists():
            return store / version
        # newer suites have the image itself in a package of its own
        packages = [p for p in (f"linux-image-{version}", f"linux-binary-{version}") if f"{p} " in found.stdout]
        with tempfile.TemporaryDirectory(dir=store, prefix="unpack-") as name:
            folder = Path(name)
            got = _run(["apt-get", *options, "download", *packages], folder)
            if got.returncode:
                failures.append(f"{version}: {(got.stdout.strip().splitlines() or ['no word'])[-1]}")
                continue
            for package in folder.glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True)
            images = [p for p in folder.rglob("vmlinuz*") if p.is_file() and not p.is_symlink()]
            if not images:
                failures.append(f"{version}: no vmlinuz in {', '.join(packages)}")
                continue
            place = folder / version
            place.mkdir()
            shutil.move(images[0], place / "vmlinuz")
            for config in folder.rglob(f"config-{version}"):
                shutil.move(config, place / "config")
                break
            if "CONFIG_VIRTIO_FS=m" in _text(place / "config"):
                got = _run(["apt-get", *options, "download", "busybox-static"], folder)
                shell = next(folder.glob("busybox-static_*.deb"), None)
                if shell is None:
                    failures.append(f"{version}: its initrd needs busybox-static: {got.stdout.strip()[-200:]}")
                    continue
                subprocess.run(["dpkg", "-x", str(shell), str(folder / "shell")], check=True)
                (place / "initrd").write_bytes(_initrd(folder / "root", next(folder.glob("shell/**/bin/busybox"))))
            place.rename(store / version)
            return store / version
    raise Unavailable(f"cannot fetch kernel {series}: {'; '.join(failures)}")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


MODULES = ("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "fuse", "virtiofs")
"""What an older kernel needs to mount virtiofs, each after what it depends on."""

_INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
for module in {modules}; do /bin/busybox insmod /$module; done
/bin/busybox mount -t virtiofs -o ro root /root || exit 1
read -r line </proc/cmdline
for word in $line; do case $word in guest.init=*) init=${{word#guest.init=}};; esac; done
/bin/busybox umount /proc
exec /bin/busybox switch_root /root "$init"
"""


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _initrd(root: Path, shell: Path) -> bytes:
    """An archive in cpio's "newc" form, as the kernel unpacks it: a static shell, the modules and a script."""
    found = {name: next(root.rglob(f"{name}.ko"), None) for name in MODULES}
    modules = [f"{name}.ko" for name, path in found.items() if path]
    files: list[tuple[str, int, bytes]] = [(name, 0o040755, b"") for name in ("bin", "proc", "root", "dev")]
    files.append(("bin/busybox", 0o100755, shell.read_bytes()))
    files.append(("init", 0o100755, _INIT.format(modules=" ".join(modules)).encode()))
    files += [(f"{name}.ko", 0o100644, path.read_bytes()) for name, path in found.items() if path]
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        for part in (b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0", data):
            archive += part
            archive += bytes(-len(archive) % 4)
    return bytes(archive)
