"""A snapshot as one JSON object, the form that scripts rely on, and back.

Keys may be added, never renamed. Sizes are bytes, times say their unit in the name; null is "not known". What is
computed (bandwidth, percentiles) is null where a snapshot has no regions, rather than a zero that looks measured.

``working_set_bytes`` and ``idle_ms_percentiles`` are of this aggregation, by the kernel's rule: a region with an access
is in use, all of it. ``estimate`` says what was used within a time and idle for at least a time, with the ends of the
interval that holds it (`damontui.analysis.savings`), only for times for which memory was watched. Where bytes were
counted (``measured``) all of them are those counts: the working set is then what was touched within the shortest time
measured, and each region says how many of its bytes are in memory (``resident``), were touched so (``used``), and were
touched within each of ``measured.seconds`` (``used_within``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from damontui.analysis import frames, savings, usage
from damontui.analysis.estimate import Estimate, Estimator, Interval
from damontui.analysis.headline import THRESHOLD, within
from damontui.damon import metrics
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import KINDS, Ints, Measured, ModuleValues, Snapshot, Truth, ints
from damontui.errors import UsageError
from damontui.output.owners import owners_object

SCHEMA = 1
SECONDS = (0.1, 0.2, 0.5, *savings.THRESHOLDS)
"""Times of the estimate."""


def snapshot_object(
    snapshot: Snapshot, word: str, threshold: float = THRESHOLD, estimator: Estimator | None = None
) -> dict[str, Any]:
    """The JSON object of a snapshot.

    Args:
        snapshot: what to write.
        word: the target's word on the command line.
        estimator: was given this snapshot last and those before it; ``estimate`` then follows from all of them. Without
            one, and of counted bytes, which need no estimate, it follows from this snapshot alone.
        threshold: seconds after which ``memory`` calls memory idle, or less where it was not watched for so long.
    """
    attrs, after = snapshot.attrs, snapshot.next_attrs
    known, measured = len(snapshot) > 0, snapshot.measured
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "time": round(snapshot.time, 6),
        "began": round(snapshot.began, 6),
        "unix_time": round(snapshot.wall, 6),
        "target": word,
        "targets": list(snapshot.targets),
        "origin": snapshot.origin,
        "complete": snapshot.complete,
        "lost": snapshot.lost,
        "late": snapshot.late,
        "note": snapshot.note,
        "intervals": _intervals(attrs),
        "next_intervals": _intervals(after),
        "update_us": attrs.update_us,
        "aggr_samples": attrs.aggr_samples,
        "goal": _goal(attrs.goal),
        "until_tuning_aggrs": snapshot.until_tuning,
        "min_regions": attrs.min_regions,
        "max_regions": attrs.max_regions,
        "observed_access_bp": metrics.observed_access_bp(snapshot) if known else None,
        "bandwidth_bytes_per_s": usage.bandwidth(snapshot) if known else None,
        "idle_ms_percentiles": list(usage.idle_percentiles(snapshot)) if known else None,
        "total_bytes": snapshot.total_bytes if known else None,
        "mapped_bytes": _mapped(snapshot),
        "free_bytes": snapshot.free,
        "working_set_bytes": round(float(usage.in_use(snapshot).sum())) if known else None,
        "watched_s": None if snapshot.watched is None else round(snapshot.watched, 6),
        "longest_pause_ms": None if measured is None else round(measured.longest_pause * 1000, 3),
        "memory": _memory(snapshot, within(snapshot, threshold)),
        "estimate": _estimate(snapshot, estimator) if known else None,
        **_owners(snapshot, estimator),
        "regions": _regions(snapshot),
        "overhead_cpu": None if snapshot.cpu is None else round(snapshot.cpu, 6),
    }
    if measured is not None:
        result["measured"] = {
            "seconds": [round(one, 6) for one in measured.seconds],
            "least": measured.least.tolist(),
            "most": measured.most.tolist(),
            "swapped_bytes": measured.swapped,
            "huge_bytes": measured.huge,
        }
    if snapshot.module is not None:
        module = snapshot.module
        result["kernel"] = {
            "enabled": module.enabled,
            "estimated_memory_bandwidth": module.bandwidth,
            "memory_idle_ms_percentiles": None
            if module.idle_ms_percentiles is None
            else list(module.idle_ms_percentiles),
            "aggr_interval_us": module.aggr_interval_us,
            "kdamond_pid": module.kdamond_pid,
        }
    if snapshot.truth is not None:
        result["truth"] = {
            "working_set_bytes": snapshot.truth.working_set_bytes,
            "bandwidth_bytes_per_s": round(snapshot.truth.bandwidth),
            "idle_ms_percentiles": list(snapshot.truth.idle_ms_percentiles),
        }
    return result


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
    return int(snapshot.sizes.sum()) if snapshot.resident is not None else None


def _memory(snapshot: Snapshot, seconds: float) -> dict[str, Any] | None:
    """Memory by kind, and how much of it is idle for at least ``seconds``; null where kinds are not known."""
    if snapshot.measured is not None:
        return {
            kind: {"bytes": held, "used_bytes": round(used), "idle_bytes": held - round(used), "seconds": seconds}
            for kind, (held, used) in usage.by_kind(snapshot, seconds).items()
        }
    parts = frames.composition(snapshot, seconds)
    if not parts:
        return None
    return {
        kind: {**_amount(part.bytes), **_amount(part.idle, "idle_"), "seconds": seconds} for kind, part in parts.items()
    }


def _amount(amount: usage.Amount, name: str = "") -> dict[str, int]:
    shown = {"bytes": amount.bytes, "least": amount.least, "most": amount.most}
    return {f"{name}{key}": round(value) for key, value in shown.items()}


def _estimate(snapshot: Snapshot, estimator: Estimator | None) -> dict[str, Any]:
    """Idle memory and the working set at each time that was watched."""
    if estimator is not None and snapshot.measured is None and len(estimator):
        return _estimated(estimator.estimate())
    shortest = snapshot.measured.seconds[0] if snapshot.measured is not None else snapshot.next_attrs.aggr_us / 1e6
    idle, used = [], []
    for seconds in SECONDS:
        if shortest * 0.98 <= seconds and usage.reaches(snapshot, seconds):
            found, total = savings.idle(snapshot, seconds), snapshot.total_bytes
            idle.append({"seconds": seconds, **_amount(usage.Amount(found.least, found.found, found.most))})
            rest = usage.Amount(total - found.most, total - found.found, total - found.least)
            used.append({"seconds": seconds, **_amount(rest)})
    return {
        "idle_ms_percentiles": list(usage.idle_percentiles(snapshot)),
        "idle": idle,
        "working_set": used,
        "watched_s": round(usage.watched(snapshot), 6),
    }


def _owners(snapshot: Snapshot, estimator: Estimator | None) -> dict[str, Any]:
    """Whose memory it is; the keys are always there."""
    known = estimator is not None and snapshot.owners is not None and len(estimator) > 0
    return owners_object(snapshot, estimator.estimate() if known and estimator is not None else None)


def _estimated(found: Estimate) -> dict[str, Any]:
    """The same, from all snapshots that an estimator was given."""
    shown = [one for one in SECONDS if found.aggregation_s * 0.98 <= one <= found.watched_s]

    def rows(at: Callable[[float], Interval]) -> list[dict[str, Any]]:
        amounts = ((one, at(one)) for one in shown)
        return [{"seconds": one, **_amount(usage.Amount(a.least, a.found, a.most))} for one, a in amounts]

    return {
        "idle_ms_percentiles": list(found.idle_ms_percentiles),
        "idle": rows(found.idle),
        "working_set": rows(found.working_set),
        "watched_s": round(found.watched_s, 6),
    }


def _regions(snapshot: Snapshot) -> list[dict[str, Any]]:
    columns = (snapshot.target, snapshot.start, snapshot.end, snapshot.nr_accesses, snapshot.age)
    regions = [
        {"target": snapshot.targets[target], "start": start, "end": end, "nr_accesses": count, "age": age}
        for target, start, end, count, age in zip(*(column.tolist() for column in columns), strict=True)
    ]
    for region, name in zip(regions, snapshot.names, strict=False):
        if name:
            region["name"] = name
    if snapshot.resident is not None:
        used = np.rint(usage.in_use(snapshot)).astype(np.int64).tolist()
        for region, *both in zip(regions, snapshot.resident.tolist(), used, strict=True):
            region["resident"], region["used"] = both
    if (measured := snapshot.measured) is not None:
        for region, within_each, kinds in zip(regions, measured.used.tolist(), measured.kinds.tolist(), strict=True):
            region["used_within"] = within_each
            region["kinds"] = dict(zip(KINDS, kinds, strict=True))
    return regions


def snapshot_of(value: Mapping[str, Any]) -> Snapshot:
    """The snapshot in an object of `snapshot_object`; times to the microsecond, all else exactly.

    Raises:
        UsageError: where the object is none of ours, naming what is wrong.
    """
    if not isinstance(value, Mapping) or value.get("schema") != SCHEMA:
        raise UsageError(f"snapshot: not an object of schema {SCHEMA}")
    try:
        goal = None if value["goal"] is None else IntervalsGoal(**value["goal"])
        attrs = Attrs(
            **value["intervals"],
            update_us=value["update_us"],
            min_regions=value["min_regions"],
            max_regions=value["max_regions"],
            goal=goal,
            aggr_samples=value["aggr_samples"],
        )
        after = Attrs(
            **value["next_intervals"],
            update_us=attrs.update_us,
            min_regions=attrs.min_regions,
            max_regions=attrs.max_regions,
            goal=goal,
            aggr_samples=attrs.aggr_samples,
        )
        targets = tuple(value["targets"])
        regions = value["regions"]
        index = {identifier: position for position, identifier in enumerate(targets)}
        resident = ints([region["resident"] for region in regions]) if _any(regions, "resident") else None
        return Snapshot(
            time=value["time"],
            began=value["began"],
            wall=value["unix_time"],
            attrs=attrs,
            next_attrs=after,
            start=ints([region["start"] for region in regions]),
            end=ints([region["end"] for region in regions]),
            nr_accesses=ints([region["nr_accesses"] for region in regions]),
            age=ints([region["age"] for region in regions]),
            target=ints([index[region["target"]] for region in regions]),
            targets=targets,
            names=tuple(region.get("name", "") for region in regions) if _any(regions, "name") else (),
            origin=value["origin"],
            complete=value["complete"],
            lost=value["lost"],
            late=value["late"],
            note=value["note"],
            until_tuning=value["until_tuning_aggrs"],
            cpu=value["overhead_cpu"],
            module=_module(value.get("kernel")),
            truth=_truth(value.get("truth")),
            free=value.get("free_bytes"),
            watched=value.get("watched_s"),
            resident=resident,
            measured=_measured(value, regions),
        )
    except KeyError as error:
        raise UsageError(f"snapshot: {error.args[0]!r} is missing or unknown") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"snapshot: {error}") from None


def _any(regions: list[dict[str, Any]], name: str) -> bool:
    return any(name in region for region in regions)


def _measured(value: Mapping[str, Any], regions: list[dict[str, Any]]) -> Measured | None:
    found = value.get("measured")
    if found is None:
        return None
    seconds = tuple(float(one) for one in found["seconds"])
    shape = (len(regions), len(seconds))
    return Measured(
        seconds,
        _numbers([region["used_within"] for region in regions], shape),
        _numbers(found["least"], shape[1:]),
        _numbers(found["most"], shape[1:]),
        _numbers([[region["kinds"][kind] for kind in KINDS] for region in regions], (len(regions), len(KINDS))),
        found["swapped_bytes"],
        found["huge_bytes"],
        value["mapped_bytes"],
        value["longest_pause_ms"] / 1000,
    )


def _numbers(value: object, shape: tuple[int, ...]) -> Ints:
    found = ints(value)
    if found.shape != shape and found.size:
        raise ValueError(f"counted bytes have the shape {found.shape}, not {shape}")
    return found.reshape(shape)


def _module(value: Mapping[str, Any] | None) -> ModuleValues | None:
    if value is None:
        return None
    idle = value["memory_idle_ms_percentiles"]
    return ModuleValues(
        enabled=value["enabled"],
        bandwidth=value["estimated_memory_bandwidth"],
        idle_ms_percentiles=None if idle is None else tuple(idle),
        aggr_interval_us=value["aggr_interval_us"],
        kdamond_pid=value["kdamond_pid"],
    )


def _truth(value: Mapping[str, Any] | None) -> Truth | None:
    if value is None:
        return None
    return Truth(
        working_set_bytes=value["working_set_bytes"],
        bandwidth=value["bandwidth_bytes_per_s"],
        idle_ms_percentiles=tuple(value["idle_ms_percentiles"]),
    )
