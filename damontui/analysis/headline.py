"""What people come for in one sentence: how much memory was used within a time, and how much has been idle for it."""

from __future__ import annotations

from dataclasses import dataclass

from damontui.analysis import frames, savings, usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Snapshot

THRESHOLD = 60.0
"""Seconds within which memory was touched that is "in use", where the user asks for no other time."""
_TIMES = (0.1, 0.2, 0.5, *map(float, savings.THRESHOLDS))


@dataclass(frozen=True, slots=True)
class Headline:
    """The parts of the sentence. Bytes and seconds."""

    within: float
    """The time that "in use" means: the threshold, or less where memory was not watched for so long."""
    watched: float
    """How long memory has been watched, as far as the snapshot tells."""
    shortened: bool
    """Whether ``within`` is less than what was asked for."""
    total: int
    """Bytes of memory; holes of physical memory are none."""
    used: Amount
    """Bytes used within that time."""
    idle: Amount
    """Bytes idle for at least that time, free memory aside."""
    free: int | None = None
    """Bytes that are free, of physical memory; None where unknown."""
    mapped: int | None = None
    """Bytes of address space that a process has mapped; None where unknown."""
    swapped: int = 0
    """Bytes of a process that are in swap."""
    kernel: Amount | None = None
    """Bytes that the kernel uses itself, which DAMON cannot see: neither in use nor idle; None where unknown."""
    untold: frames.Untold | None = None
    """What ``idle`` includes that is not idle memory, so that it is an upper bound; None where nothing."""

    @property
    def absent(self) -> int:
        """Bytes that are mapped and not in memory."""
        return max(0, (self.mapped or 0) - self.total)


def within(snapshot: Snapshot, threshold: float = THRESHOLD) -> float:
    """The time nearest to the threshold for which it can be said what was used within it; seconds.

    Less than the threshold where memory was not watched for so long: the longest round time, or all that was watched.
    More where a single aggregation lasted longer: nobody knows when in it memory was used.
    """
    if not len(snapshot):
        return threshold
    wanted = threshold if snapshot.measured is not None else max(threshold, snapshot.attrs.aggr_us / 1e6)
    if usage.reaches(snapshot, wanted):
        return wanted
    shorter = [one for one in _TIMES if one < wanted and usage.reaches(snapshot, one)]
    return max(shorter, default=usage.watched(snapshot))


def headline(snapshot: Snapshot, threshold: float = THRESHOLD, estimate: Estimate | None = None) -> Headline | None:
    """The parts of the headline; None where nothing of memory is known.

    Args:
        snapshot: the memory.
        threshold: seconds without an access after which memory is called idle.
        estimate: the estimate of that moment, from all snapshots so far; without one the snapshot's own ages are
            taken. Counted bytes need none.
    """
    if not len(snapshot):
        return None
    if estimate is not None and snapshot.measured is None:
        return _estimated(snapshot, threshold, estimate)
    seconds = within(snapshot, threshold)
    used, idle = usage.used_within(snapshot, seconds), frames.idle_taken(snapshot, seconds)
    if used is None or idle is None:
        return None
    measured = snapshot.measured
    mapped = measured.mapped if measured is not None else None
    if mapped is None:
        mapped = mapped_bytes(snapshot)
    unseen = frames.unseen(snapshot)
    hole = unseen.hole if unseen is not None else None
    return Headline(
        seconds,
        usage.watched(snapshot),
        seconds < threshold,
        snapshot.total_bytes - (0 if hole is None else round(hole.bytes)),
        used,
        idle,
        None if unseen is None else round(unseen.free.bytes),
        mapped,
        measured.swapped if measured is not None else 0,
        untold=frames.untold(snapshot),
    )


def _estimated(snapshot: Snapshot, threshold: float, estimate: Estimate) -> Headline:
    """`headline` by an estimate, from which free memory and the kernel's own are subtracted already."""
    watched = estimate.watched_s
    wanted = max(threshold, estimate.aggregation_s)
    if wanted > watched:  # nothing is idle for longer than that, not even nearly
        wanted = max((one for one in _TIMES if estimate.aggregation_s <= one <= watched), default=watched)
    idle, used = estimate.idle(wanted), estimate.working_set(wanted)
    free = estimate.free
    return Headline(
        wanted,
        watched,
        wanted < threshold,
        snapshot.total_bytes - (0 if estimate.hole is None else round(estimate.hole.bytes)),
        used,
        idle,
        None if free is None else round(free.bytes),
        mapped_bytes(snapshot),
        kernel=estimate.kernel,
        untold=frames.untold(snapshot),
    )


def mapped_bytes(snapshot: Snapshot) -> int | None:
    """Bytes of address space, of which the memory is the resident part; None where addresses are memory.

    Those of a control group's share of physical memory (one target, 0) are the machine's.
    """
    if snapshot.resident is None or (snapshot.group is not None and snapshot.targets == (0,)):
        return None
    return int(snapshot.sizes.sum())
