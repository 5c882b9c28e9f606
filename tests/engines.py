"""Engines that are newer than this machine's own: from Debian's later suites, fetched with its apt, not installed.

`get` returns the path of a program. It is kept beside the kernels (`tests.guests.kernels.cache`) with its checksum, and
what is there needs no network. apt checks what it fetches against Debian's signatures.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.guests.kernels import Unavailable, apt_options, cache, lock

SUITES = ("forky", "sid")
"""The first that has it wins: what is being tested there moves less."""
PACKAGES = {
    "prometheus": ("prometheus", "3."),
    "promtool": ("promtool", "3."),
    "victoria-metrics": ("victoria-metrics", "1."),
    "vmalert": ("victoria-metrics", "1."),
}
"""The package of a program, and how its version begins."""


def get(program: str) -> Path:
    """The path of a program, fetched where it is not in the cache yet.

    Raises:
        Unavailable: no apt, no mirror, no such package on it, or it does not run here; the text says which.
    """
    package, version = PACKAGES[program]
    store = cache() / "engines"
    store.mkdir(parents=True, exist_ok=True)
    with lock(store / "lock"):
        place = store / package
        if not _is_whole(place, program):
            _fetch(package, version, place, store)
        if not _is_whole(place, program):
            raise Unavailable(f"Debian's package {package} has no {program}")
    return place / program


def need_newer(program: str) -> str:
    """The path of a program; the test is skipped where it cannot be had, and fails in CI."""
    try:
        return str(get(program))
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


def _is_whole(place: Path, program: str) -> bool:
    try:
        wanted = (place / f"{program}.sha256").read_text()
        return wanted == checksum(place / program)
    except OSError:
        return False


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(package: str, version: str, place: Path, store: Path) -> None:
    """Unpack the newest version of the first suite that has one. Raises `Unavailable`."""
    options = apt_options(store / "apt", SUITES)
    said = _run(["apt-get", *options, "update"], store).splitlines()[-1:]
    table = _run(["apt-cache", *options, "madison", package], store)
    found = {
        suite: version
        for _, version, source in re.findall(r"(?m)^\s*(\S+) \| +(\S+) \| \S+ (\S+) \S+ Packages", table)
        for suite in [source.partition("/")[0]]
    }
    choice = [found[suite] for suite in SUITES if found.get(suite, "").startswith(version)]
    if not choice:
        raise Unavailable(f"no {package} {version}* in {', '.join(SUITES)}; apt-get update said: {said}")
    with tempfile.TemporaryDirectory(dir=store, prefix="unpack-") as name:
        folder = Path(name)
        said = _run(["apt-get", *options, "download", f"{package}={choice[0]}"], folder).splitlines()[-1:]
        for archive in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(folder / "root")], check=True)
        wanted = [one for one, (of, _) in PACKAGES.items() if of == package]
        made = folder / package
        made.mkdir()
        for program in wanted:
            path = folder / "root/usr/bin" / program
            if not path.exists():
                raise Unavailable(f"cannot fetch {package} {choice[0]}: {said}")
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
            if done.returncode:
                raise Unavailable(f"{package} {choice[0]} does not run here: {done.stderr.strip()[-200:]}")
            shutil.move(path, made / program)
            (made / f"{program}.sha256").write_text(checksum(made / program))
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    return done.stdout
