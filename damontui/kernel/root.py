"""The one way to the files of a kernel: below a root folder, with errors as sentences, and a guard for writing.

Nothing below another root folder than ``/`` leads out of it: links are not followed. What is written to is a file of
procfs, sysfs, tracefs or cgroupfs. Reading has an end in bytes and in time, also where the kernel never answers
(`damontui.kernel.readers`), and never waits for a pipe's other side.
"""

from __future__ import annotations

import builtins
import errno
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from damontui.errors import SourceError
from damontui.kernel.beneath import file_system, open_beneath
from damontui.kernel.readers import PATIENCE, READERS

MOST = 4 << 20
"""Bytes of a file of the kernel that are read, at most, unless a caller knows of a larger kind."""
WRITING = 60.0
"""Seconds that writing to a file may take: a kdamond that is told to end may finish its sampling interval first."""
MADE_UP = "DAMONTUI_MADE_UP_KERNEL"
"""The environment variable of tests: files below another root folder may be written to, whatever they are on."""

_CHUNK = 1 << 14
_log = logging.getLogger(__name__)

_WORDS = {
    errno.ENOENT: "there is no such file",
    errno.EACCES: "permission denied",
    errno.EPERM: "the kernel does not permit it",
    errno.EBUSY: "the kernel says it is busy",
    errno.EINVAL: "the kernel refused the value",
    errno.EIO: "input/output error",
    errno.ESRCH: "there is no such process",
    errno.ENODEV: "there is no such device",
    errno.EROFS: "the file system is read-only",
    errno.ELOOP: "a symbolic link is in the way, and is not followed",
    errno.EXDEV: "the path leads out of its folder",
}


def why(error: OSError) -> str:
    """The reason in an ``OSError``, in plain words."""
    words = _WORDS.get(error.errno or 0) or error.strerror or str(error)
    return words[:1].lower() + words[1:]


def number(text: str | bytes) -> int:
    """The whole number in a text, as a kernel has them: of 64 bits with a sign. Raises ``ValueError``."""
    found = int(text)
    if not -(1 << 63) <= found < 1 << 63:
        raise ValueError("a number of more than 64 bits")
    return found


def number_after(pattern: re.Pattern[str], text: str, unit: int = 1) -> int | None:
    """The whole number that a pattern's first group holds, times ``unit``; None where there is none."""
    match = pattern.search(text)
    try:
        return None if match is None else number(str(number(match[1]) * unit))
    except ValueError:
        return None


class KernelError(SourceError):
    """A file of the kernel could not be read or written; ``errno`` tells the kind."""

    def __init__(self, what: str, error: OSError, remedy: str = "") -> None:
        super().__init__(what, why(error), remedy)
        self.errno = error.errno or 0
        if self.errno == errno.ETIMEDOUT:
            _log.info("%s: %s", what, why(error))


def read_whole(
    descriptor: int,
    most: int = MOST,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    step: int = 1 << 62,
) -> bytes:
    """All that a descriptor has to read.

    Args:
        descriptor: of a file of the kernel; seeks nowhere.
        most: bytes at most.
        patience: seconds at most.
        clock: seconds, monotonic.
        step: bytes asked for at a time, at most.

    Raises:
        OSError: ``EFBIG`` or ``ETIMEDOUT`` with words of ours, and what ``read(2)`` says.
    """
    buffer = bytearray(_CHUNK)
    filled = 0
    until = clock() + patience
    while True:
        # the kernel hands out a page or so at a time, whatever one asks for: no new buffer for each
        with memoryview(buffer) as view:
            count = os.readv(descriptor, [view[filled : filled + step]])
        if not count:
            return bytes(buffer[:filled])
        filled += count
        if filled > most:
            raise OSError(errno.EFBIG, f"it holds more than {most >> 20} MiB, which no such file of a kernel does")
        if clock() > until:
            raise OSError(errno.ETIMEDOUT, f"it was not read within {patience:g} s")
        if len(buffer) - filled < _CHUNK // 2:
            buffer.extend(bytes(len(buffer)))


def read_opened(opening: Callable[[], int], most: int = MOST, step: int = 1 << 62) -> bytes:
    """All that a file has to read, opened, read and closed with one deadline. Raises ``OSError`` as `read_whole`."""

    def ask() -> bytes:
        descriptor = opening()
        try:
            return read_whole(descriptor, most, step=step)
        finally:
            os.close(descriptor)

    return READERS.ask(ask)


def write_opened(opening: Callable[[], int], text: str) -> None:
    """Write to a file in one call, opened and closed with one deadline; given up, it may still be done later.

    Raises:
        OSError: ``ETIMEDOUT``, and what ``open(2)`` and ``write(2)`` say.
    """

    def ask() -> None:
        descriptor = opening()
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    READERS.ask(ask, WRITING, "answered")


def refuse_odd(descriptor: int, *, pipe: bool = False) -> None:
    """Raise ``OSError`` where an open file is no regular one (or no pipe, where that is allowed)."""
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not (pipe and stat.S_ISFIFO(mode)):
        raise OSError(errno.ENOTSUP, f"it is {_kind(mode)}, not a file of a kernel")


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


class Root:
    """The folder that holds ``sys`` and ``proc``: ``/``, a container's view of its host, or a test's made-up tree.

    Args:
        folder: the root folder.
        read_only: refuse every write below ``sys`` with a sentence instead of trying it.
    """

    def __init__(self, folder: str | Path = "/", *, read_only: bool = False) -> None:
        self.folder = Path(folder)
        self.whole = os.path.realpath(folder) == "/"
        """Whether it is the machine's own root, where links are followed, since its owner made them."""
        # said in the environment, it holds for the machine itself whoever made this object
        said = os.environ.get("DAMONTUI_READ_ONLY", "").strip().lower() in ("1", "y", "yes", "true", "on")
        self.read_only = read_only or (said and self.whole)
        self._made_up = os.environ.get(MADE_UP) == "1" and not self.whole

    def path(self, name: str) -> Path:
        """The path of ``sys/…`` or ``proc/…`` below the root: to show. What is opened goes through `open`."""
        return self.folder / name.lstrip("/")

    # -- asking

    def exists(self, name: str) -> bool:
        """Whether the file is there; False also where one may not look, or would have to follow a link below it."""
        try:
            return READERS.ask(lambda: self._exists(name))
        except OSError:
            return False

    def _exists(self, name: str) -> bool:
        if self.whole:
            return self.path(name).exists()
        os.close(self._beneath(name, os.O_PATH))
        return True

    def readable(self, name: str) -> bool:
        """Whether the file could be opened for reading by this user."""
        return self._access(name, os.R_OK)

    def writable(self, name: str) -> bool:
        """Whether the file could be opened for writing by this user, and writing is allowed at all."""
        return not self._refused(name) and self._access(name, os.W_OK)

    def stat(self, name: str) -> os.stat_result:
        """The ``stat(2)`` of a file or folder. Raises `KernelError`."""
        try:
            return READERS.ask(lambda: self._stat(name))
        except OSError as error:
            raise KernelError(f"cannot look at {self.path(name)}", error) from error

    def _stat(self, name: str) -> os.stat_result:
        descriptor = self._open(name, os.O_PATH)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def link(self, name: str) -> str:
        """Where a symbolic link points. Raises `KernelError`."""
        try:
            return READERS.ask(lambda: self._link(name))
        except OSError as error:
            raise KernelError(f"cannot read {self.path(name)}", error) from error

    def _link(self, name: str) -> str:
        folder, last = self._parent(name)
        try:
            return os.readlink(last, dir_fd=folder)
        finally:
            os.close(folder)

    def _access(self, name: str, mode: int) -> bool:
        # a question only: what is opened afterwards is resolved anew
        def ask() -> bool:
            if not self.whole and stat.S_ISLNK(self._stat(name).st_mode):
                return False
            return os.access(self.path(name), mode)

        try:
            return READERS.ask(ask)
        except OSError:
            return False

    def _refused(self, name: str) -> bool:
        # what is below /proc concerns one process, and is its owner's to allow
        return self.read_only and name.lstrip("/").startswith("sys/")

    # -- opening

    def open(self, name: str, flags: int = os.O_RDONLY, *, pipe: bool = False) -> int:
        """A descriptor of a file, which is a regular one.

        Opening does not wait (``O_NONBLOCK``), and so that whatever holds for `write` holds here too, nothing is ever
        created.

        Args:
            name: ``sys/…`` or ``proc/…``.
            flags: those of ``open(2)``.
            pipe: whether it may be a pipe, as a made-up ``trace_pipe`` is.

        Raises:
            OSError: it cannot be opened; the caller knows the words to make a `KernelError` of it.
            SourceError: for writing where the session is read-only.
        """
        writing = flags & os.O_ACCMODE != os.O_RDONLY
        if writing and self._refused(name):
            self.refuse_write(name)
        flags |= os.O_NONBLOCK | os.O_NOCTTY | (os.O_NOFOLLOW if writing else 0)
        return self._opened(lambda: self._open(name, flags), flags, pipe=pipe)

    def open_at(self, folder: int, name: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of a file below an open folder (`open_folder`); no link is followed.

        Raises:
            OSError: as `open` does.
        """
        flags |= os.O_NONBLOCK | os.O_NOCTTY
        return self._opened(lambda: open_beneath(folder, name, flags), flags)

    def _opened(self, opening: Callable[[], int], flags: int, *, pipe: bool = False) -> int:
        def do() -> int:
            descriptor = opening()
            try:
                refuse_odd(descriptor, pipe=pipe)
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    self.refuse_foreign(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

        return READERS.ask(do, what="opened", undo=os.close)

    def open_folder(self, name: str) -> int:
        """A descriptor of a folder, to open files relative to it. Raises ``OSError``."""
        return READERS.ask(lambda: self._open(name, os.O_RDONLY | os.O_DIRECTORY), what="opened", undo=os.close)

    def refuse_foreign(self, descriptor: int) -> None:
        """Raise ``OSError`` where an open file is on no file system of the kernel's (and no test says otherwise)."""
        if not self._made_up and not file_system(descriptor):
            raise OSError(errno.ENOTSUP, "it is on no file system of the kernel's, so nothing is written to it")

    def _open(self, name: str, flags: int) -> int:
        path = self.path(name)
        return os.open(path, flags | os.O_CLOEXEC) if self.whole else self._beneath(name, flags)

    def _beneath(self, name: str, flags: int) -> int:
        name = name.strip("/")
        if name.startswith("proc/self/"):
            # the one link that is the kernel's own way to say a number
            name = f"proc/{self._self()}/{name[len('proc/self/') :]}"
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return open_beneath(folder, name, flags)
        finally:
            os.close(folder)

    def _self(self) -> str:
        try:
            pid = self._link("proc/self")
        except OSError:
            return "self"  # a folder of a made-up tree
        return pid if pid.isascii() and pid.isdigit() else "self"

    def _parent(self, name: str) -> tuple[int, str]:
        """A descriptor of the folder that holds ``name``, and its name in there. Raises ``OSError``."""
        above, _, last = name.strip("/").rpartition("/")
        return self._open(above, os.O_PATH | os.O_DIRECTORY), last

    # -- reading

    def read_bytes(self, name: str, most: int = MOST) -> bytes:
        """The file's bytes, at most ``most`` of them. Raises `KernelError`."""
        try:
            return read_opened(lambda: self.open(name), most)
        except OSError as error:
            raise KernelError(f"cannot read {self.path(name)}", error) from error

    def read(self, name: str) -> str:
        """The file's text without the last newline. Raises `KernelError`."""
        return self.read_bytes(name).decode("utf-8", "replace").rstrip("\n")

    def read_int(self, name: str) -> int:
        """The file's only number. Raises `SourceError` where it is none."""
        text = self.read(name)
        try:
            return number(text)
        except ValueError:
            raise SourceError(f"cannot read {self.path(name)}", f"{text[:40]!r} is not a number") from None

    def read_ints(self, folder: str, names: Sequence[str]) -> builtins.list[int]:
        """The only number of each file in a folder, read with as few calls as possible since they are many.

        Raises `KernelError`; `SourceError` where one holds no number.
        """
        base = f"{self.path(folder)}/"
        at = ""

        def ask() -> builtins.list[int]:
            nonlocal at
            found = []
            above = self.open_folder(folder)
            try:
                for at in names:
                    # a folder of the kernel's has neither links nor pipes; in any other, neither is followed
                    descriptor = os.open(at, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
                    try:
                        found.append(number(os.read(descriptor, 64)))
                    finally:
                        os.close(descriptor)
            finally:
                os.close(above)
            return found

        try:
            return READERS.ask(ask)
        except OSError as error:
            raise KernelError(f"cannot read {base}{at}", error) from error
        except ValueError:
            raise SourceError(f"cannot read {base}{at}", "it holds no number") from None

    def list(self, name: str) -> list[str]:
        """The names in a folder, sorted. Raises `KernelError`."""

        def ask() -> builtins.list[str]:
            descriptor = self.open_folder(name)
            try:
                return sorted(os.listdir(descriptor))
            finally:
                os.close(descriptor)

        try:
            return READERS.ask(ask)
        except OSError as error:
            raise KernelError(f"cannot list {self.path(name)}", error) from error

    # -- writing

    def refuse_write(self, name: str) -> None:
        """Raise `SourceError` where the session is read-only and the file is below ``sys``."""
        raise SourceError(
            f"cannot write {self.path(name)}",
            "this session is read-only",
            "leave out --read-only and unset DAMONTUI_READ_ONLY to allow it",
        )

    def write(self, name: str, text: str) -> None:
        """Write ``text`` in one call, as sysfs wants it. Raises `KernelError`; `SourceError` where read-only."""
        _log.info("write %r to %s", text, self.path(name))
        try:
            # never created: a file that the kernel does not have is an error, not a new file
            write_opened(lambda: self.open(name, os.O_WRONLY), text)
        except OSError as error:
            raise KernelError(f"cannot write {text!r} to {self.path(name)}", error) from error

    def make_folder(self, name: str) -> None:
        """Make a folder (a trace instance). Raises `KernelError`; `SourceError` where read-only."""
        self._change_folder("make", name, os.mkdir)

    def remove_folder(self, name: str) -> None:
        """Remove a folder. Raises `KernelError`; `SourceError` where read-only."""
        self._change_folder("remove", name, os.rmdir)

    def _change_folder(self, verb: str, name: str, change: Callable[..., None]) -> None:
        if self.read_only:
            self.refuse_write(name)

        def ask() -> None:
            folder, last = self._parent(name)
            try:
                self.refuse_foreign(folder)
                change(last, dir_fd=folder)
            finally:
                os.close(folder)

        try:
            READERS.ask(ask, WRITING, "answered")
        except OSError as error:
            raise KernelError(f"cannot {verb} {self.path(name)}", error) from error
