"""Why a process may not be watched, in sentences, and who it is that shall be."""

from __future__ import annotations

import errno
import os
import pwd

from damontui import units
from damontui.errors import SourceError
from damontui.kernel import process_files as files
from damontui.kernel.process_files import Stat
from damontui.kernel.root import KernelError, Root


class HoldsUp(SourceError):
    """A process would be held up for longer than is allowed; whoever can be asked may allow it.

    Args:
        who: it.
        resident: its resident bytes.
        pause: seconds that a clear is foreseen to take.
        allowed: seconds that are allowed.
    """

    def __init__(self, who: Stat, resident: int, pause: float, allowed: float) -> None:
        self.pause = pause
        self.needed = _needed(pause)
        """Seconds to allow, with some room."""
        super().__init__(
            f"process {who.pid} ({who.comm}) is not watched yet",
            f"to begin, its {units.size(resident)} of memory have to be held up for about {units.duration(pause)} "
            f"at a time, and {units.duration(allowed)} are allowed",
            f"if it can wait so long, say {allow(pause)}",
        )


def identify(root: Root, pid: int, program: str = "damontui") -> Stat:
    """Who has that PID now. Raises `SourceError` where nobody has, or it is nothing that can be watched."""
    who = files.stat(root, pid)
    what = f"cannot watch process {pid}"
    if who is None:
        if not root.exists("proc/self") and not root.exists("proc/1"):
            raise SourceError(what, f"there is no /proc below {root.folder}", "mount it: mount -t proc proc /proc")
        raise SourceError(what, "there is no such process", "list them with: ps -e")
    what = f"{what} ({who.comm})"
    if who.kernel_thread:
        raise SourceError(
            what,
            "it is a thread of the kernel and has no memory of its own",
            f"watch the machine's memory: sudo {program} stat",
        )
    if who.ended:
        raise SourceError(what, f"it has ended and only waits for its parent, process {who.ppid}, to ask after it")
    return who


def refusal(root: Root, who: Stat, error: KernelError, program: str = "damontui") -> SourceError:
    """The sentence for a process that may not be watched."""
    what = f"cannot watch process {who.pid} ({who.comm})"
    name = error.what.removeprefix("cannot ")
    if error.errno in (errno.EACCES, errno.EPERM):
        user = files.owner(root, who.pid)
        if os.geteuid() == 0:
            return SourceError(
                what,
                f"not even root may {name} here (a container without CAP_SYS_PTRACE, or a security module)",
                "run it on the host, or give the container --cap-add SYS_PTRACE",
            )
        whose = f"it belongs to {user}" if user and user != _me() else "it is protected from its own user, too"
        return SourceError(what, whose, f"run: sudo {program} {who.pid}")
    if error.errno == errno.EROFS:
        return SourceError(what, f"may not {name}: /proc is mounted read-only here", "run it outside of this container")
    if error.errno in files.GONE:
        now = files.stat(root, who.pid)
        if now is None or now.ended:
            return SourceError(what, "it has ended")
        return SourceError(
            what,
            f"{error.what}: this kernel is built without it (CONFIG_PROC_PAGE_MONITOR)",
            f"watch it with DAMON where the kernel has it; what this machine can do: {program} doctor",
        )
    return SourceError(what, f"{error.what}: {error.why}", f"what this machine can do: {program} doctor")


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _needed(pause: float) -> float:
    """A pause to allow where one of so many seconds is foreseen, with some room."""
    allowed = 20
    while allowed / 1e3 < pause * 1.5:
        allowed *= 2
    return allowed / 1e3 if allowed < 10_000 else float(-(-allowed // 1000))


def allow(pause: float) -> str:
    """The option that allows such a pause."""
    needed = _needed(pause)
    return f"--max-pause {round(needed * 1e3)}ms" if needed < 10 else f"--max-pause {round(needed)}s"
