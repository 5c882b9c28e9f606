"""A deadline for what the kernel may never answer: it is asked in a thread that can be left behind.

A file of /proc or /sys is read under locks of the kernel. Where one is held for ever (by a process that hangs with its
memory map locked, a device that is gone, a file system in user space), ``read(2)`` sleeps and no signal ends it;
``O_NONBLOCK`` changes nothing there. So whoever wants a file waits for another thread that reads it, and goes on with
an error when that one does not come back in time. A thread left behind ends when the kernel answers, or with the
program.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

PATIENCE = 20.0
"""Seconds that reading one file may take."""
SHORT = 5.0
"""Seconds that it may take while another file is not answered: a kernel that hangs is not waited for again and
again."""
MOST = 16
"""Threads left behind at most; then nothing more is asked until one of them comes back."""

_T = TypeVar("_T")


class _Job:
    """A question to the kernel, and its answer."""

    __slots__ = ("cpu", "do", "done", "error", "finished", "left", "result", "undo")

    def __init__(self, do: Callable[[], Any], undo: Callable[[Any], object]) -> None:
        self.do = do
        self.undo = undo
        self.done = threading.Lock()
        self.done.acquire()
        self.result: Any = None
        self.error: BaseException | None = None
        self.cpu = 0.0
        self.finished = False
        self.left = False


class _ReaderThread(threading.Thread):
    """A thread that does one job after another."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(daemon=True, name="reader")
        self._readers = readers
        self._job: _Job | None = None
        self._given = threading.Lock()
        self._given.acquire()

    def give(self, job: _Job) -> None:
        """Make a job the thread's next."""
        self._job = job
        self._given.release()

    def run(self) -> None:
        """Do jobs until the program ends."""
        while True:
            self._given.acquire()
            job, self._job = self._job, None
            assert job is not None
            before = time.thread_time()
            try:
                job.result = job.do()
            except BaseException as error:
                job.error = error
            job.cpu = time.thread_time() - before
            self._readers._finish(job, self)
            del job


class Readers:
    """Asks questions that may never be answered, each with a deadline. Any thread may ask.

    Args:
        most: threads left behind at most.
    """

    def __init__(self, most: int = MOST) -> None:
        self.left = 0
        """Questions given up that have not been answered yet."""
        self._most = most
        self._idle: deque[_ReaderThread] = deque()
        self._lock = threading.Lock()
        self._spent = threading.local()

    def ask(
        self,
        do: Callable[[], _T],
        patience: float = PATIENCE,
        what: str = "read",
        undo: Callable[[_T], object] = lambda _: None,
    ) -> _T:
        """What ``do`` gives, done in another thread; what it raises is raised here.

        A question within a question is part of it: its deadline is that of the whole.

        Args:
            do: what may never return. Given up, it may still be done later: it closes what it opens.
            patience: seconds at most.
            what: the participle of the error's sentence: "read", "written".
            undo: called with the result of ``do`` where that comes too late.

        Raises:
            OSError: ``ETIMEDOUT``, where there is no answer in time.
        """
        if isinstance(threading.current_thread(), _ReaderThread):
            return do()
        if self.left:
            if self.left >= self._most:
                raise OSError(errno.ETIMEDOUT, f"the kernel has left {self.left} questions unanswered")
            patience = min(patience, SHORT)
        job = _Job(do, undo)
        try:
            reader = self._idle.popleft()
        except IndexError:
            reader = _ReaderThread(self)
            reader.start()
        reader.give(job)
        try:
            answered = job.done.acquire(timeout=patience)
        except BaseException:  # a signal that asks for the end
            if not self._leave(job) and job.error is None:
                job.undo(job.result)
            raise
        if not answered and self._leave(job):
            raise OSError(errno.ETIMEDOUT, f"it was not {what} within {patience:g} s")
        self._spent.cpu = getattr(self._spent, "cpu", 0.0) + job.cpu
        if job.error is not None:
            try:
                raise job.error
            finally:
                del job
        found: _T = job.result
        return found

    def thread_time(self) -> float:
        """Seconds of CPU time of the calling thread, and of others for what it asked: as ``time.thread_time``."""
        return time.thread_time() + float(getattr(self._spent, "cpu", 0.0))

    def _leave(self, job: _Job) -> bool:
        """Give a question up; False where it was answered meanwhile."""
        with self._lock:
            if job.finished:
                return False
            job.left = True
            self.left += 1
            return True

    def _finish(self, job: _Job, reader: _ReaderThread) -> None:
        with self._lock:
            job.finished = True
            if job.left:
                self.left -= 1
        if job.left and job.error is None:
            job.undo(job.result)
        self._idle.append(reader)  # first, so that who asks next finds it
        job.done.release()


READERS = Readers()
"""The program's own: a kernel that hangs for one hangs for all."""
