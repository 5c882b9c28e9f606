"""Files of the user's: read only where they are files, written so that no link, no name and no crash leads astray.

This program is started with sudo, in folders that others may write to. So a new file is made with ``O_EXCL`` and
``O_NOFOLLOW``, readable by its owner only, in a folder that is opened once; what is replaced is replaced by renaming a
whole file over it, never truncated, and no link is written through.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from damontui.errors import SourceError, UsageError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a symbolic link"),
)


def kind(mode: int) -> str:
    """The kind of a file in words: a folder, a pipe, …; "" for a regular file."""
    return next((words for test, words in _KINDS if test(mode)), "")


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


# -- reading


def open_file(path: str | Path) -> BinaryIO:
    """A file that is there, for reading. Never waits: a pipe, a device or a socket is refused. Raises `SourceError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = _why(error) if isinstance(error, OSError) else str(error)
        if isinstance(error, OSError) and error.errno == errno.ENXIO:
            why = "it is a socket or a device, not a file"
        raise SourceError(f"cannot read {path}", why) from error
    try:
        what = kind(os.fstat(descriptor).st_mode)
        if what:
            remedy = "write what comes out of it to a file first" if what == "a pipe" else ""
            raise SourceError(f"cannot read {path}", f"it is {what}, not a file", remedy)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_small(path: str | Path, most: int) -> bytes:
    """A whole file of at most ``most`` bytes. Raises `SourceError`."""
    with open_file(path) as file:
        try:
            data = file.read(most + 1)
        except OSError as error:
            raise SourceError(f"cannot read {path}", _why(error)) from error
    if len(data) > most:
        raise SourceError(f"cannot read {path}", f"it holds more than {most >> 10:,} KiB")
    return data


# -- writing


def free_path(folder: Path, stem: str, suffix: str) -> Path:
    """``stem`` and ``suffix`` in ``folder``, with a number where there is something of that name, a link too."""
    path = folder / f"{stem}{suffix}"
    for number in itertools.count(2):
        if not os.path.lexists(path):
            break
        path = folder / f"{stem}-{number}{suffix}"
    return path


def refuse_there(path: Path, *, force: bool, what: str = "write", source: str | Path = "") -> bool:
    """Whether there is a file of that name, which will be replaced.

    Args:
        path: the file to write.
        force: whether it may be replaced.
        what: the verb of the error's sentence.
        source: the file that is read.

    Raises:
        SourceError: the file is there and may not be replaced, or it is no regular file.
        UsageError: it is the same file as ``source``.
    """
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return False
    if source:
        with suppress(OSError, ValueError):
            if os.path.samefile(path, source):
                raise UsageError(f"{path}: this is the file that is read; use another name")
    odd = kind(mode)
    if odd and odd != "a symbolic link":
        raise SourceError(f"cannot {what} {path}", f"it is {odd}, not a file", "use the name of a file")
    if not force:
        raise SourceError(f"cannot {what} {path}", "the file is there already", "use another name, or --force")
    return True


class NewFile:
    """A name for a new file in a folder that is held open. A context manager.

    Args:
        path: the file.
        what: the verb of the errors' sentences.

    Raises:
        SourceError: there is no such folder, or a link of somebody else's leads to it.
    """

    def __init__(self, path: str | Path, what: str = "write") -> None:
        self.path = Path(path)
        self._what = what
        name = self.path.name
        if not name or name == "..":
            raise self._refused("that is no name of a file")
        try:
            _refuse_links_of_others(self.path.parent)
            self._folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError as error:
            raise self._refused(str(error.strerror).lower()) from error
        except (OSError, ValueError) as error:
            raise self._refused(_why(error) if isinstance(error, OSError) else str(error)) from error

    def make(self) -> int:
        """A descriptor of a new file, mode 0600. Raises `SourceError` where something of that name is there."""
        return self._make(self.path.name)

    def make_beside(self) -> tuple[int, str]:
        """A descriptor of a new file of another name in the same folder, and the name. Raises `SourceError`."""
        for number in itertools.count():
            name = f".{self.path.name[:200]}.{os.getpid()}.{number}.part"
            try:
                return self._open(name), name
            except FileExistsError:
                continue
            except OSError as error:
                raise self._refused(_why(error)) from error
        raise AssertionError("itertools.count has no end")

    def put(self, name: str, *, force: bool) -> None:
        """Rename the file ``name`` of `make_beside` to the path, in one step. Raises `SourceError`."""
        final = self.path.name
        try:
            if force:
                refuse_there(self.path, force=True, what=self._what)
                os.rename(name, final, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                return
            try:
                os.link(name, final, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
            except FileExistsError:
                raise self._there() from None
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise
                # a file system without hard links: an empty file keeps the name free of others until ours has it
                os.close(self._make(final))
                os.rename(name, final, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            else:
                os.unlink(name, dir_fd=self._folder)
        except OSError as error:
            raise self._refused(_why(error)) from error

    def drop(self, name: str) -> None:
        """Remove the file ``name`` of `make_beside`, where it is still there."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    def close(self) -> None:
        """Let go of the folder."""
        if self._folder >= 0:
            folder, self._folder = self._folder, -1
            os.close(folder)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, name: str) -> int:
        return os.open(name, _NEW, 0o600, dir_fd=self._folder)

    def _make(self, name: str) -> int:
        try:
            return self._open(name)
        except FileExistsError:
            raise self._there() from None
        except (OSError, ValueError) as error:
            raise self._refused(_why(error) if isinstance(error, OSError) else str(error)) from error

    def _there(self) -> SourceError:
        return self._refused("the file is there already", "use another name, or --force")

    def _refused(self, why: str, remedy: str = "") -> SourceError:
        return SourceError(f"cannot {self._what} {self.path}", why, remedy)


def begin(path: str | Path, *, force: bool = False, what: str = "write") -> int:
    """A descriptor of a new, empty file under its own name; with ``force`` it replaces a file of that name.

    For files that are written over hours and may be read meanwhile. Raises `SourceError`.
    """
    with NewFile(path, what) as new:
        if not force:
            return new.make()
        descriptor, name = new.make_beside()
        try:
            new.put(name, force=True)
        except BaseException:
            os.close(descriptor)
            new.drop(name)
            raise
        return descriptor


@contextmanager
def whole(path: str | Path, *, force: bool = False, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file for writing that gets its name only when all is written; until then, and after a fault, nothing changes.

    Args:
        path: the file.
        force: replace a file of that name.
        mode: the file's permissions, whatever the umask is.

    Raises:
        SourceError: the file cannot be written, or is there already.
    """
    path = Path(path)
    refuse_there(path, force=force)
    with NewFile(path) as new:
        descriptor, name = new.make_beside()
        try:
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    if mode != 0o600:
                        os.fchmod(file.fileno(), mode)
            except OSError as error:
                raise SourceError(f"cannot write {path}", _why(error), "") from error
            new.put(name, force=force)
        except BaseException:
            new.drop(name)
            raise


def append(path: str | Path, what: str = "write") -> int:
    """A descriptor that appends to a file, made where there is none; no link is followed. Raises `SourceError`."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT, 0o600)
    except (OSError, ValueError) as error:
        why = _why(error) if isinstance(error, OSError) else str(error)
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            why = "it is a symbolic link"
        elif isinstance(error, OSError) and error.errno == errno.ENXIO:
            why = "it is a pipe, a device or a socket, not a file"
        raise SourceError(f"cannot {what} {path}", why, "choose another file") from error
    odd = kind(os.fstat(descriptor).st_mode)
    if odd:
        os.close(descriptor)
        raise SourceError(f"cannot {what} {path}", f"it is {odd}, not a file", "choose another file")
    os.set_blocking(descriptor, True)
    return descriptor


def lock(path: str | Path) -> int | None:
    """Lock an empty file, made where there is none; returns its descriptor, None where somebody else has locked it.

    No link is followed, and nothing waits. Raises `SourceError` where it cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except (OSError, ValueError) as error:
        why = _why(error) if isinstance(error, OSError) else str(error)
        raise SourceError(f"cannot lock {path}", why) from error
    try:
        if odd := kind(os.fstat(descriptor).st_mode):
            raise SourceError(f"cannot lock {path}", f"it is {odd}, not a file")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_links_of_others(folder: Path) -> None:
    """Raise ``PermissionError`` where root would go through a link that neither root nor its caller made."""
    if os.geteuid() != 0:
        return
    caller = os.environ.get("SUDO_UID", "")
    trusted = {0, int(caller)} if caller.isascii() and caller.isdigit() else {0}
    for part in (folder, *folder.parents):
        with suppress(FileNotFoundError):
            status = os.lstat(part)
            if stat.S_ISLNK(status.st_mode) and status.st_uid not in trusted:
                raise PermissionError(
                    errno.EPERM, f"{part} is a symbolic link of user {status.st_uid}, and root follows none"
                )
