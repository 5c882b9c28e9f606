"""A snapshot as one JSON object, the form that scripts rely on, and back.

Keys may be added, never renamed. Sizes are bytes, times say their unit in the name; null is "not known". What is
computed (bandwidth, percentiles) is null where a snapshot has no regions, rather than a zero that looks measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from damontui.damon import metrics
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import ModuleValues, Snapshot, Truth, ints
from damontui.errors import UsageError

SCHEMA = 1


def snapshot_object(snapshot: Snapshot, word: str) -> dict[str, Any]:
    """The JSON object of a snapshot.

    Args:
        snapshot: what to write.
        word: the target's word on the command line.
    """
    attrs, after = snapshot.attrs, snapshot.next_attrs
    known = len(snapshot) > 0
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
        "bandwidth_bytes_per_s": metrics.bandwidth(snapshot) if known else None,
        "idle_ms_percentiles": list(metrics.idle_percentiles(snapshot)) if known else None,
        "total_bytes": snapshot.total_bytes if known else None,
        "working_set_bytes": metrics.working_set(snapshot) if known else None,
        "regions": _regions(snapshot),
        "overhead_cpu": None if snapshot.cpu is None else round(snapshot.cpu, 6),
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


def dump(snapshot: Snapshot, word: str) -> str:
    """The JSON object of a snapshot in one line of ASCII."""
    return json.dumps(snapshot_object(snapshot, word), allow_nan=False)


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


def _regions(snapshot: Snapshot) -> list[dict[str, Any]]:
    columns = (snapshot.target, snapshot.start, snapshot.end, snapshot.nr_accesses, snapshot.age)
    regions = [
        {"target": snapshot.targets[target], "start": start, "end": end, "nr_accesses": count, "age": age}
        for target, start, end, count, age in zip(*(column.tolist() for column in columns), strict=True)
    ]
    for region, name in zip(regions, snapshot.names, strict=False):
        if name:
            region["name"] = name
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
            names=tuple(region.get("name", "") for region in regions)
            if any("name" in region for region in regions)
            else (),
            origin=value["origin"],
            complete=value["complete"],
            lost=value["lost"],
            late=value["late"],
            note=value["note"],
            until_tuning=value["until_tuning_aggrs"],
            cpu=value["overhead_cpu"],
            module=_module(value.get("kernel")),
            truth=_truth(value.get("truth")),
        )
    except KeyError as error:
        raise UsageError(f"snapshot: {error.args[0]!r} is missing or unknown") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"snapshot: {error}") from None


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
