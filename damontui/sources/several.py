"""Several processes in one table: what each has in memory, what of it is in use, and of which kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from damontui import units
from damontui.analysis import usage
from damontui.analysis.headline import THRESHOLD, headline, within
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import KINDS

if TYPE_CHECKING:
    from damontui.operations.counted import One
    from damontui.operations.processes import Missing


@runtime_checkable
class Several(Protocol):
    """A source of one or several processes."""

    each: tuple[One, ...]
    """The processes in the last snapshot; may be read from any thread."""
    missing: tuple[Missing, ...]
    """Processes of the target that are not in it, and why; may be read from any thread."""

    @property
    def several(self) -> bool:
        """Whether more than one process was asked for."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process. All but the pause are bytes."""

    pid: int
    name: str
    resident: int
    used: Amount
    """Bytes touched within the table's time."""
    idle: float
    """Bytes in memory that were not touched within that time."""
    kinds: tuple[int, ...]
    """Bytes in memory of each of `damontui.damon.snapshot.KINDS`."""
    swapped: int
    """Bytes in swap."""
    huge: int
    """Resident bytes in huge pages: one touched byte counts 2 MiB."""
    pause: float
    """Seconds for which clearing or reading held it up at most so far."""


HEADINGS = ("in use", "idle", "in memory", *KINDS, "swapped", "huge", "held up")
"""What the columns are called, beside PID and name."""


def several_of(source: object) -> Several | None:
    """The source, where it is one of several processes."""
    # the plain question first: whether something has a protocol is dear to find out, and this is asked at every repaint
    return source if getattr(source, "several", False) and isinstance(source, Several) else None


def time_of(each: Sequence[One], threshold: float = THRESHOLD) -> float:
    """The time within which memory counts as in use, seconds: the same for all, so at most what the youngest was
    watched."""
    return min((within(one.snapshot, threshold) for one in each), default=threshold)


def rows_of(each: Sequence[One], seconds: float) -> list[ProcessRow]:
    """A row a process, the largest working set within ``seconds`` first."""
    found = []
    for one in each:
        said, measured = headline(one.snapshot, seconds), one.snapshot.measured
        if said is None or measured is None:
            continue
        kinds = usage.by_kind(one.snapshot, seconds)
        found.append(
            ProcessRow(
                pid=one.pid,
                name=one.name,
                resident=said.total,
                used=said.used,
                idle=said.idle.bytes,
                kinds=tuple(kinds[kind][0] for kind in KINDS),
                swapped=measured.swapped,
                huge=measured.huge,
                pause=measured.longest_pause,
            )
        )
    return sorted(found, key=lambda row: (-row.used.bytes, -row.resident, row.pid))


def cells(row: ProcessRow) -> tuple[str, ...]:
    """The texts of a row, one for each of `HEADINGS`; "" for a kind of memory that the process has none of."""
    amounts = (row.used.bytes, row.idle, row.resident, *row.kinds, row.swapped, row.huge)
    texts = [units.size(one) if one or at < 3 else "–" for at, one in enumerate(amounts)]
    return (*texts, units.duration(row.pause))
