"""``export`` as a user with exactly some capabilities: what each of them is needed for."""

from __future__ import annotations

import ctypes
import importlib.readers  # noqa: F401 - as nobody, Python's own folder may be closed
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.guests.guest import Guest, check, program
from tests.guests.guest.system import as_found, switch_stat, wait

NOBODY = 65534
CAPABILITIES = {"CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_SYS_ADMIN": 21}
_KEEPCAPS = 8
_VERSION = 0x2008_0522


def become_nobody_with(names: Iterable[str]) -> Callable[[], None]:
    """What makes a process of nobody's that has these capabilities and no other."""
    mask = sum(1 << CAPABILITIES[name] for name in names)

    def become() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(_KEEPCAPS, 1, 0, 0, 0) == 0
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        header = (ctypes.c_uint32 * 2)(_VERSION, 0)
        data = (ctypes.c_uint32 * 6)(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0, 0, 0, 0)
        assert libc.capset(header, data) == 0, os.strerror(ctypes.get_errno())
        status = Path("/proc/self/status").read_text()
        assert f"CapEff:\t{mask:016x}" in status, status

    return become


def tried(guest: Guest, *names: str, seconds: float = 40.0) -> dict[str, Any]:
    """What an export with these capabilities says, and how it ended."""
    folder = guest.folder / ("-".join(names) or "none")
    folder.mkdir()
    os.chmod(guest.folder, 0o755)
    os.chown(folder, NOBODY, NOBODY)
    path = folder / "damon.prom"
    words = ("export", "stat", "--textfile", str(path), "--every", "1")
    run = program.Background(guest.folder, *words, before=become_nobody_with(names))

    def said() -> str:
        text = path.read_text() if path.exists() else ""
        gone = not Path(f"/proc/{run.pid}/exe").exists()
        return text or "ended" if gone or "damon_stat_bandwidth" in text else ""

    try:
        text = wait(said, seconds, f"numbers with {names}")
        if "no regions" not in run.err.read_text() and text != "ended":
            text = wait(lambda: path.read_text() if 'rule="estimate"' in path.read_text() else "", seconds, "estimate")
    finally:
        if Path(f"/proc/{run.pid}/exe").exists():
            run.send(signal.SIGTERM)
        done = run.wait(30)
    return {
        "status": done.status,
        "bandwidth": "damon_stat_bandwidth" in text,
        "histogram": sorted({rule for rule in ("kernel", "estimate") if f'rule="{rule}"' in text}),
        "kinds": 'kind="anon"' in text,
        "left": os.listdir(folder),
        "err": done.err,
    }


@check("7.2", limit=300)
def export_needs_these_capabilities(guest: Guest) -> None:
    """`export` as a user with exactly these capabilities says regions, numbers or why not, and leaves nothing"""
    switch_stat(True)
    with as_found():
        found = {
            names: tried(guest, *names)
            for names in (
                (),
                ("CAP_DAC_READ_SEARCH",),
                ("CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"),
                ("CAP_DAC_OVERRIDE",),
                ("CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"),
            )
        }
    guest.facts.update({"+".join(names) or "none": {**one, "err": one["err"][:300]} for names, one in found.items()})
    assert all(one["left"] == [] for one in found.values()), found
    said = {
        "+".join(names) or "none": (one["status"], one["bandwidth"], one["histogram"], one["kinds"])
        for names, one in found.items()
    }
    assert said == {
        "none": (1, False, [], False),
        "CAP_DAC_READ_SEARCH": (143, True, [], False),
        "CAP_DAC_READ_SEARCH+CAP_SYS_ADMIN": (143, True, ["kernel"], False),
        "CAP_DAC_OVERRIDE": (143, True, ["estimate", "kernel"], True),
        "CAP_DAC_OVERRIDE+CAP_SYS_ADMIN": (143, True, ["estimate", "kernel"], True),
    }
