"""A snapshot as one JSON object, the form that scripts rely on, and back.

Keys may be added, never renamed. Sizes are bytes, times say their unit in the name; null is "not known". What is
computed (bandwidth, percentiles) is null where a snapshot has no regions, rather than a zero that looks measured.

``working_set_bytes`` and ``idle_ms_percentiles`` are of this aggregation, by the kernel's rule: a region with an access
is in use, all of it. ``estimate`` says what was used within a time and idle for at least a time, with the ends of the
interval that holds it (`damontui.analysis.savings`), only for times for which memory was watched. Where bytes were
counted (``measured``) all of them are those counts: the working set is then what was touched within the shortest time
measured, and each region says how many of its bytes are in memory (``resident``), were touched so (``used``), and were
touched within each of ``measured.seconds`` (``used_within``). Of physical memory ``memory`` says what it is made of,
and each region how many page frames of each kind were drawn in it (``frames``). What is free, and what the kernel uses
itself, is in no number of ``estimate``, whose ``total_bytes`` is what is left; where that cannot be told,
``idle_includes`` says so in one sentence, and idle memory is only the most that it can be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import numpy as np

from damontui.analysis import frames, rounding, savings, usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import Estimator
from damontui.analysis.headline import THRESHOLD, headline, mapped_bytes
from damontui.analysis.usage import Amount
from damontui.damon import metrics
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.fields import REGIONS, Field, fields_of, lists
from damontui.damon.snapshot import FRAME_KINDS, KINDS, Frames, Ints, Measured, Snapshot, ints
from damontui.errors import UsageError
from damontui.output.amounts import amount_object
from damontui.output.owners import owners_object
from damontui.phrases import included_sentence
from damontui.records.fields import value_of, values_of

SCHEMA = 1
SECONDS = (0.1, 0.2, 0.5, *savings.THRESHOLDS)
"""Times of the estimate."""


def snapshot_object(
    snapshot: Snapshot, word: str, threshold: float = THRESHOLD, estimator: Estimator | None = None
) -> dict[str, Any]:
    """The JSON object of a snapshot.

    Args:
        snapshot: the snapshot.
        word: the target's word on the command line.
        estimator: has taken in the snapshots before and this one last, so that ``estimate`` follows from all of them.
            Without one, and for counted bytes, which need no estimate, it follows from this snapshot alone.
        threshold: seconds after which ``memory`` calls memory idle, or less where it was not watched for so long.
    """
    attrs = snapshot.attrs
    known, measured = len(snapshot) > 0, snapshot.measured
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "target": word,
        "intervals": _intervals(attrs),
        "next_intervals": _intervals(snapshot.next_attrs),
        "update_us": attrs.update_us,
        "aggr_samples": attrs.aggr_samples,
        "goal": _goal(attrs.goal),
        "min_regions": attrs.min_regions,
        "max_regions": attrs.max_regions,
        "observed_access_bp": metrics.observed_access_bp(snapshot) if known else None,
        "bandwidth_bytes_per_s": usage.bandwidth(snapshot) if known else None,
        "idle_ms_percentiles": list(usage.idle_percentiles(snapshot)) if known else None,
        "total_bytes": snapshot.total_bytes if known else None,
        "mapped_bytes": _mapped(snapshot),
        "working_set_bytes": round(float(usage.in_use(snapshot).sum())) if known else None,
        "longest_pause_ms": None if measured is None else round(measured.longest_pause * 1000, 3),
        "memory": _memory(snapshot, threshold, estimator),
        "estimate": _estimate(snapshot, estimator) if known else None,
        "idle_includes": None if (untold := frames.untold(snapshot)) is None else included_sentence(untold),
        **_owners(snapshot, estimator),
        "regions": _regions(snapshot),
    }
    if snapshot.frames is not None:
        result["frames_cpu"] = snapshot.frames.cpu
        if snapshot.frames.mixed is not None:
            result["frames_mixed"] = round(snapshot.frames.mixed, 4)
    for field in _DECLARED:
        value = getattr(snapshot, field.name)
        if value is not None or not field.parts:
            result[field.fact.key] = _plain(field, value)
    return {key: result[key] for key in dict.fromkeys((*_ORDER, *result)) if key in result}


_DECLARED = tuple(one for one in fields_of(Snapshot) if one.fact.key and REGIONS not in one.fact.axes)
"""Fields that JSON has as they stand in a snapshot."""
_COLUMNS = tuple(one for one in fields_of(Snapshot) if one.fact.key and REGIONS in one.fact.axes)
"""Fields of regions that JSON has as they stand in a snapshot, in each region's object."""
_ORDER = (
    "schema", "time", "began", "unix_time", "target", "targets", "origin", "complete", "lost", "late", "note",
    "intervals", "next_intervals", "update_us", "aggr_samples", "goal", "until_tuning_aggrs", "min_regions",
    "max_regions", "observed_access_bp", "bandwidth_bytes_per_s", "idle_ms_percentiles", "total_bytes", "mapped_bytes",
    "free_bytes", "working_set_bytes", "watched_s", "longest_pause_ms", "memory", "estimate", "regions", "overhead_cpu",
    "measured", "kernel", "truth", "owners", "zones",
)  # fmt: skip
"""The first keys, in the order that scripts and people have seen them in; others follow."""


def _plain(field: Field, value: Any) -> Any:
    """A field's value as it is written."""
    if value is None:
        return None
    if field.kind is np.ndarray:
        return lists(field, value)
    if field.parts:
        return {part.fact.key: _plain(part, getattr(value, part.name)) for part in field.parts if part.fact.key}
    if (digits := field.fact.digits) is not None:
        return [_rounded(one, digits) for one in value] if field.many else _rounded(value, digits)
    return list(value) if field.many else value


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) if digits else round(value)


def dump(snapshot: Snapshot, word: str, estimator: Estimator | None = None) -> str:
    """The JSON object of a snapshot in one line of ASCII; see `snapshot_object`."""
    return json.dumps(snapshot_object(snapshot, word, estimator=estimator), allow_nan=False)


def _intervals(attrs: Attrs) -> dict[str, int]:
    return {"sample_us": attrs.sample_us, "aggr_us": attrs.aggr_us}


def _goal(goal: IntervalsGoal | None) -> dict[str, int] | None:
    if goal is None:
        return None
    return {
        "access_bp": goal.access_bp,
        "aggrs": goal.aggrs,
        "min_sample_us": goal.min_sample_us,
        "max_sample_us": goal.max_sample_us,
    }


def _mapped(snapshot: Snapshot) -> int | None:
    if snapshot.measured is not None:
        return snapshot.measured.mapped
    return mapped_bytes(snapshot)


def _memory(snapshot: Snapshot, threshold: float, estimator: Estimator | None) -> dict[str, Any] | None:
    """Memory by kind, and how much of it is idle for at least the threshold; null where kinds are not known."""
    known = estimator.estimate() if estimator is not None and snapshot.measured is None and len(estimator) else None
    said = headline(snapshot, threshold, known)
    seconds = said.within if said is not None else threshold
    if snapshot.measured is not None:
        return {
            kind: {"bytes": held, "used_bytes": round(used), "idle_bytes": held - round(used), "seconds": seconds}
            for kind, (held, used) in usage.by_kind(snapshot, seconds).items()
        }
    parts = frames.composition(snapshot, seconds, None if known is None else known.idle_by_region(snapshot, seconds))
    if not parts:
        return None
    return {
        kind: {**amount_object(part.bytes), **amount_object(part.idle, "idle_"), "seconds": seconds}
        for kind, part in parts.items()
    }


def _estimate(snapshot: Snapshot, estimator: Estimator | None) -> dict[str, Any]:
    """Idle memory and the working set at each time that was watched."""
    if estimator is not None and snapshot.measured is None and len(estimator):
        return _estimated(estimator.estimate())
    shortest = snapshot.measured.seconds[0] if snapshot.measured is not None else snapshot.next_attrs.aggr_us / 1e6
    idle, used = [], []
    for seconds in SECONDS:
        if shortest * 0.98 <= seconds and usage.reaches(snapshot, seconds):
            found, total = savings.idle(snapshot, seconds), snapshot.total_bytes
            idle.append({"seconds": seconds, **amount_object(found)})
            rest = Amount(max(0.0, total - found.most), total - found.bytes, total - found.least)
            used.append({"seconds": seconds, **amount_object(rest)})
    return {
        "idle_ms_percentiles": list(usage.idle_percentiles(snapshot)),
        "idle": idle,
        "working_set": used,
        "bandwidth_bytes_per_s": round(rounding.Rounding().bandwidth(snapshot)),
        "watched_s": round(usage.watched(snapshot), 6),
        "total_bytes": snapshot.total_bytes,
    }


def _owners(snapshot: Snapshot, estimator: Estimator | None) -> dict[str, Any]:
    """Whose memory it is, where that was looked at."""
    known = estimator is not None and snapshot.owners is not None and len(estimator) > 0
    return owners_object(snapshot, estimator.estimate() if known and estimator is not None else None)


def _estimated(found: Estimate) -> dict[str, Any]:
    """`_estimate` from an estimate, which follows from all snapshots so far."""
    shown = [one for one in SECONDS if found.aggregation_s * 0.98 <= one <= found.watched_s]

    def rows(at: Callable[[float], Amount]) -> list[dict[str, Any]]:
        return [{"seconds": one, **amount_object(at(one))} for one in shown]

    return {
        "idle_ms_percentiles": list(found.idle_ms_percentiles),
        "idle": rows(found.idle),
        "working_set": rows(found.working_set),
        "bandwidth_bytes_per_s": round(found.bandwidth),
        "watched_s": round(found.watched_s, 6),
        "total_bytes": round(found.total_bytes),
    }


def _regions(snapshot: Snapshot) -> list[dict[str, Any]]:
    regions: list[dict[str, Any]] = [{"target": snapshot.targets[target]} for target in snapshot.target.tolist()]
    for field in _COLUMNS:
        if (values := getattr(snapshot, field.name)) is not None:
            for region, value in zip(regions, values if field.many else values.tolist(), strict=not field.many):
                if value != "":
                    region[field.fact.key] = value
    if (drawn := snapshot.frames) is not None:
        names = (*FRAME_KINDS, "unevictable", "huge")
        rows = np.column_stack((drawn.counts, drawn.unevictable, drawn.huge)).tolist()
        for region, row in zip(regions, rows, strict=True):
            region["frames"] = {name: count for name, count in zip(names, row, strict=True) if count}
    if snapshot.resident is not None:
        used = np.rint(usage.in_use(snapshot)).astype(np.int64).tolist()
        for region, value in zip(regions, used, strict=True):
            region["used"] = value
    if (measured := snapshot.measured) is not None:
        for region, within_each, kinds in zip(regions, measured.used.tolist(), measured.kinds.tolist(), strict=True):
            region["used_within"] = within_each
            region["kinds"] = dict(zip(KINDS, kinds, strict=True))
    return regions


def snapshot_of(value: Mapping[str, Any]) -> Snapshot:
    """The snapshot in an object of `snapshot_object`; times to the microsecond, all else exactly.

    Raises:
        UsageError: the object is not one of `snapshot_object`; the message names what is wrong.
    """
    if not isinstance(value, Mapping) or value.get("schema") != SCHEMA:
        raise UsageError(f"snapshot: not an object of schema {SCHEMA}")
    try:
        regions = value["regions"]
        targets = tuple(value["targets"])
        index = {identifier: position for position, identifier in enumerate(targets)}
        fields = {one.name: _column(one, regions) for one in _COLUMNS if not one.optional or _any(regions, one)}
        for one in _DECLARED:
            key = one.fact.key
            if one.kind is Measured:
                fields[one.name] = _measured(value, regions)
            elif one.name != "targets" and (key in value or not one.optional):
                fields[one.name] = value_of(one, value[key], {REGIONS: len(regions)}, "key")
        goal = None if value["goal"] is None else IntervalsGoal(**value["goal"])
        rest = {name: value[name] for name in ("update_us", "min_regions", "max_regions", "aggr_samples")}
        return Snapshot(
            **fields,
            targets=targets,
            attrs=Attrs(**value["intervals"], **rest, goal=goal),
            next_attrs=Attrs(**value["next_intervals"], **rest, goal=goal),
            target=ints([index[region["target"]] for region in regions]),
            frames=_frames(value, regions),
        )
    except KeyError as error:
        raise UsageError(f"snapshot: {error.args[0]!r} is missing or unknown") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"snapshot: {error}") from None


def _any(regions: list[dict[str, Any]], field: Field) -> bool:
    return any(field.fact.key in region for region in regions)


def _column(field: Field, regions: list[dict[str, Any]]) -> Any:
    """A snapshot's field of regions, from what each region has in its own object."""
    key = field.fact.key
    if not field.many:
        return value_of(field, [region[key] for region in regions], {REGIONS: len(regions)})
    return tuple(region.get(key, "") for region in regions) if _any(regions, field) else ()


def _measured(value: Mapping[str, Any], regions: list[dict[str, Any]]) -> Measured | None:
    if value.get("measured") is None:
        return None
    found = values_of(Measured, value["measured"], {REGIONS: len(regions)}, "key")
    shape = (len(regions), len(found["seconds"]))
    return Measured(
        **found,
        used=_numbers([region["used_within"] for region in regions], shape),
        kinds=_numbers([[region["kinds"][kind] for kind in KINDS] for region in regions], (len(regions), len(KINDS))),
        mapped=value["mapped_bytes"],
        longest_pause=value["longest_pause_ms"] / 1000,
    )


def _frames(value: Mapping[str, Any], regions: list[dict[str, Any]]) -> Frames | None:
    if value.get("frames_cpu") is None:
        return None

    def column(name: str) -> Ints:
        return ints([region["frames"].get(name, 0) for region in regions])

    counts = np.column_stack([column(kind) for kind in FRAME_KINDS])
    mixed = value.get("frames_mixed")
    cpu = _share(value["frames_cpu"])
    return Frames(counts, column("unevictable"), column("huge"), cpu, None if mixed is None else _share(mixed))


def _share(value: Any) -> float:
    share = float(value)
    if not 0.0 <= share < inf:
        raise ValueError(f"{value!r} is no share")
    return share


def _numbers(value: object, shape: tuple[int, ...]) -> Ints:
    found = ints(value)
    if found.shape != shape and found.size:
        raise ValueError(f"counted bytes have the shape {found.shape}, not {shape}")
    return found.reshape(shape)
