"""A made-up machine for the picker: what there is, and a active whose sources are scripted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from damontui.damon.snapshot import Description, Event
from damontui.errors import UsageError
from damontui.operations.scenes import SCENES
from damontui.sources.active import ActiveSource
from damontui.sources.base import Source
from damontui.sources.catalog import Entry, ProcessFacts
from tests import make

MIB = 1 << 20

_PROCESSES = (
    ("firefox", 2211, 1801, "alice", 1_843, 96),
    ("postgres", 914, 1, "postgres", 1_311, 1),
    ("Web Content", 2307, 2211, "alice", 640, 31),
    ("Web Content", 2319, 2211, "alice", 512, 28),
    ("gnome-shell", 1801, 1644, "alice", 402, 18),
    ("postgres: checkpointer", 921, 914, "postgres", 288, 1),
    ("postgres: walwriter", 922, 914, "postgres", 131, 1),
    ("python3", 5120, 1644, "alice", 96, 4),
    ("dockerd", 803, 1, "root", 74, 22),
    ("systemd", 1, 0, "root", 12, 1),
    ("bash", 1644, 1, "alice", 5, 1),
)

_STARTED = {
    2211: "/usr/lib/firefox/firefox",
    2307: "/usr/lib/firefox/firefox -contentproc 2",
    2319: "/usr/lib/firefox/firefox -contentproc 3",
    914: "postgres -D /var/lib/postgresql/17/main",
    5120: "python3 -m http.server 8000",
}


def entries() -> tuple[Entry, ...]:
    """What a desktop with DAMON_STAT shows to alice."""
    processes = tuple(
        Entry(
            "processes",
            str(pid),
            name,
            _STARTED.get(pid, ""),
            reason="" if user == "alice" else f"belongs to {user}",
            remedy="" if user == "alice" else f"run: sudo /usr/bin/damontui {pid}",
            process=ProcessFacts(pid, parent, user, rss * MIB, threads),
        )
        for name, pid, parent, user, rss, threads in _PROCESSES
    )
    return (
        Entry("machine", "stat", "DAMON_STAT", "the kernel's own monitoring: on, kdamond 77"),
        Entry(
            "machine",
            "paddr",
            "physical memory",
            "by a kdamond of our own",
            "only root may start a kdamond",
            "run it with: sudo /usr/bin/damontui",
        ),
        Entry("kdamonds", "kdamond:88", "kdamond.1", "of DAMON_RECLAIM"),
        *processes,
        *(Entry("scenes", f"demo:{name}", name, sentence) for name, sentence in SCENES.items()),
        Entry("files", "./monday.damontui", "monday.damontui", "record, 1.31 MiB"),
        Entry("files", "./broken.cfg", "broken.cfg", "masim configuration, 120 B", "line 3: 'x' is not a length"),
    )


def many(count: int) -> tuple[Entry, ...]:
    """A machine with so many processes."""
    return tuple(
        Entry("processes", str(pid), f"worker-{pid}", process=ProcessFacts(pid, 1, "me", (count - pid + 1) * MIB, 1))
        for pid in range(1, count + 1)
    )


class Scripted:
    """A source that does nothing but say how it was entered and left."""

    def __init__(self, word: str = "stat", log: list[str] | None = None) -> None:
        self.word = word
        self.log = log if log is not None else []
        self.enabled = True

    def __enter__(self) -> Self:
        self.log.append(f"enter {self.word}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.append(f"leave {self.word}")

    def describe(self) -> Description:
        """Its word is its title."""
        return make.description(target=self.word, title=f"title of {self.word}")

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """Three, until it is stopped."""
        yield from make.steady(3)
        stop.wait()
        self.log.append(f"stopped {self.word}")

    def overhead(self) -> float:
        """None."""
        return 0.0


def _refuse(word: str) -> Source:
    raise UsageError(f"{word} is not to be had in this test")


def active(
    first: Source, choose: Callable[[str], Source] = _refuse, there: Callable[[], Sequence[Entry]] = entries
) -> ActiveSource:
    """Around ``first``, which is not entered yet."""
    return ActiveSource(first, choose, there)
