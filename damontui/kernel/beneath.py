"""Files opened so that nothing leads out of a folder: no symbolic link, no "..", and what kind of file system it is.

``openat2(2)`` (Linux 5.6) does it in one call; where the kernel has no such call, or a container forbids it, every
part of the path is opened by itself and followed nowhere.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache

_OPENAT2 = 437  # the same number on every architecture that Python runs on but one (alpha)
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

KERNEL_FILE_SYSTEMS = {
    0x9FA0: "procfs",
    0x6265_6572: "sysfs",
    0x7472_6163: "tracefs",
    0x6367_7270: "cgroup2",
    0x0027_E0EB: "cgroup",
}
"""File systems that may be written to, by their magic number in ``statfs(2)`` (``include/uapi/linux/magic.h``)."""


class _How(ctypes.Structure):
    """``struct open_how``."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def open_beneath(folder: int, name: str, flags: int) -> int:
    """A descriptor of ``name`` below an open folder; no link is followed on the way, and none at its end.

    Args:
        folder: descriptor of the folder.
        name: relative; "" is the folder itself.
        flags: those of ``open(2)``; ``O_CLOEXEC`` and ``O_NOFOLLOW`` are added.

    Raises:
        OSError: ``ELOOP`` for a link, ``EXDEV`` for "..", and what ``open(2)`` says.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    name = name.strip("/") or "."
    if "\0" in name:
        raise OSError(errno.EINVAL, "a path cannot hold a zero byte", name)
    try:
        return _openat2(folder, name, flags)
    except OSError as error:
        # an old kernel has no such call; a container's filter answers EPERM, which may also be about the file
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
    return _step_by_step(folder, name, flags)


def _openat2(folder: int, name: str, flags: int) -> int:
    how = _How(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS)
    libc = _libc()
    while True:
        found = libc.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(folder),
            ctypes.c_char_p(os.fsencode(name)),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        # EAGAIN: something was renamed on the way, so that nobody can say whether it stayed beneath
        if number not in (errno.EINTR, errno.EAGAIN):
            raise OSError(number, os.strerror(number), name)


def _step_by_step(folder: int, name: str, flags: int) -> int:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    here = os.dup(folder)
    try:
        for part in parts[:-1]:
            try:
                step = os.open(part, _STEP, dir_fd=here)
            except NotADirectoryError:
                if _is_link(part, here):
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
                raise
            os.close(here)
            here = step
        return os.open(parts[-1] if parts else ".", flags, dir_fd=here)
    finally:
        os.close(here)


def _is_link(name: str, folder: int) -> bool:
    try:
        os.readlink(name, dir_fd=folder)
    except OSError:
        return False
    return True


def file_system(descriptor: int) -> str:
    """The kernel's own file system that an open file is on (see `KERNEL_FILE_SYSTEMS`), "" for any other."""
    buffer = (ctypes.c_long * 64)()  # struct statfs has 120 bytes; its first word is the kind
    if _libc().fstatfs(ctypes.c_int(descriptor), ctypes.byref(buffer)) != 0:
        return ""
    return KERNEL_FILE_SYSTEMS.get(buffer[0] & 0xFFFF_FFFF, "")
