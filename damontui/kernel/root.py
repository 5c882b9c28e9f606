"""The one way to the files of a kernel: below a root folder, with errors as sentences, and a guard for writing."""

from __future__ import annotations

import builtins
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from damontui.errors import SourceError

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
}


def why(error: OSError) -> str:
    """The reason in an ``OSError``, in plain words."""
    return _WORDS.get(error.errno or 0) or (error.strerror or str(error)).lower()


class KernelError(SourceError):
    """A file of the kernel could not be read or written; ``errno`` tells the kind."""

    def __init__(self, what: str, error: OSError, remedy: str = "") -> None:
        super().__init__(what, why(error), remedy)
        self.errno = error.errno or 0


class Root:
    """The folder that holds ``sys`` and ``proc``: ``/``, a container's view of its host, or a test's made-up tree.

    Args:
        folder: the root folder.
        read_only: refuse every write below ``sys`` with a sentence instead of trying it.
    """

    def __init__(self, folder: str | Path = "/", *, read_only: bool = False) -> None:
        self.folder = Path(folder)
        # said in the environment, it holds for the machine itself whoever made this object
        said = os.environ.get("DAMONTUI_READ_ONLY", "").strip().lower() in ("1", "y", "yes", "true", "on")
        self.read_only = read_only or (said and self.folder == Path("/"))

    def path(self, name: str) -> Path:
        """The path of ``sys/…`` or ``proc/…`` below the root."""
        return self.folder / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """Whether the file is there; False also where one may not look."""
        try:
            return self.path(name).exists()
        except OSError:
            return False

    def readable(self, name: str) -> bool:
        """Whether the file could be opened for reading by this user."""
        return os.access(self.path(name), os.R_OK)

    def writable(self, name: str) -> bool:
        """Whether the file could be opened for writing by this user, and writing is allowed at all."""
        return not self._refused(name) and os.access(self.path(name), os.W_OK)

    def _refused(self, name: str) -> bool:
        # what is below /proc concerns one process, and is its owner's to allow
        return self.read_only and name.lstrip("/").startswith("sys/")

    def read(self, name: str) -> str:
        """The file's text without the last newline. Raises `KernelError`."""
        try:
            return self.path(name).read_bytes().decode("utf-8", "replace").rstrip("\n")
        except OSError as error:
            raise KernelError(f"cannot read {self.path(name)}", error) from error

    def read_int(self, name: str) -> int:
        """The file's only number. Raises `SourceError` where it is none."""
        text = self.read(name)
        try:
            return int(text)
        except ValueError:
            raise SourceError(f"cannot read {self.path(name)}", f"{text[:40]!r} is not a number") from None

    def read_ints(self, folder: str, names: Sequence[str]) -> builtins.list[int]:
        """The only number of each file in a folder: many small files, so with the least that reading one takes.

        Raises `KernelError`; `SourceError` where one holds no number.
        """
        base = f"{self.path(folder)}/"
        found = []
        name = ""
        try:
            for name in names:
                descriptor = os.open(base + name, os.O_RDONLY)
                try:
                    found.append(int(os.read(descriptor, 64)))
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise KernelError(f"cannot read {base}{name}", error) from error
        except ValueError:
            raise SourceError(f"cannot read {base}{name}", "it holds no number") from None
        return found

    def list(self, name: str) -> list[str]:
        """The names in a folder, sorted. Raises `KernelError`."""
        try:
            return sorted(os.listdir(self.path(name)))
        except OSError as error:
            raise KernelError(f"cannot list {self.path(name)}", error) from error

    def refuse_write(self, name: str) -> None:
        """Raise the sentence of a read-only session."""
        raise SourceError(
            f"cannot write {self.path(name)}",
            "this session is read-only",
            "leave out --read-only and unset DAMONTUI_READ_ONLY to allow it",
        )

    def write(self, name: str, text: str) -> None:
        """Write ``text`` in one call, as sysfs wants it. Raises `KernelError`; `SourceError` where read-only."""
        if self._refused(name):
            self.refuse_write(name)
        try:
            # never created: a file that the kernel does not have is an error, not a new file
            descriptor = os.open(self.path(name), os.O_WRONLY)
            try:
                os.write(descriptor, text.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise KernelError(f"cannot write {text!r} to {self.path(name)}", error) from error

    def make_folder(self, name: str) -> None:
        """Make a folder (a trace instance). Raises `KernelError`; `SourceError` where read-only."""
        if self.read_only:
            self.refuse_write(name)
        try:
            os.mkdir(self.path(name))
        except OSError as error:
            raise KernelError(f"cannot make {self.path(name)}", error) from error

    def remove_folder(self, name: str) -> None:
        """Remove a folder. Raises `KernelError`; `SourceError` where read-only."""
        if self.read_only:
            self.refuse_write(name)
        try:
            os.rmdir(self.path(name))
        except OSError as error:
            raise KernelError(f"cannot remove {self.path(name)}", error) from error
