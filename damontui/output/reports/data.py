"""Reports as JSON: one object, sizes in bytes, times with their unit in the name, null where nothing is known."""

from __future__ import annotations

import json
import math
from typing import Any

from damontui.analysis import usage
from damontui.analysis.heatmap import Floats
from damontui.damon import metrics
from damontui.output.reports.results import (
    LINE_PERCENTILES,
    THRESHOLDS,
    Head,
    Heat,
    Histogram,
    IdlePercentiles,
    LinesReport,
    RegionsReport,
    Result,
    between,
    wall_known,
)

SCHEMA = 1


def report(head: Head, result: Result) -> str:
    """A report as one line of JSON. Keys may be added from version to version, never renamed."""
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "report": head.style,
        "target": head.target,
        "title": head.title,
        "origin": head.origin,
        "host": head.host,
        "kernel": head.kernel,
        "began": head.began,
        "ended": head.ended,
        "unix_time": head.wall if wall_known(head) else None,
        "snapshots": head.snapshots,
        "regions_in_all": head.regions,
        "filters": head.filters,
        "notes": list(head.notes),
        "idle": head.idle,
        "free_bytes": head.free,
        "memory": {kind: {"bytes": one.bytes, "least": one.least, "most": one.most} for kind, one in head.holds.items()}
        or None,
        **_body(result),
    }
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _body(result: Result) -> dict[str, Any]:
    if isinstance(result, RegionsReport):
        return {"at": [_snapshot(result, index) for index in result.snapshots]}
    if isinstance(result, Heat):
        axis = result.axis
        places = [axis.place(row) for row in range(len(axis))]
        kinds = [
            "between targets"
            if between(axis, part)
            else "several targets"
            if axis.shared(part)
            else ("shown", "not mapped", "idle")[part.kind]
            for part in axis.parts
            for _ in range(part.rows)
        ]
        return {
            "mode": result.mode,
            "unit": {"rate": "share", "idle": "seconds in use", "temperature": "temperature"}[result.mode],
            "samples": result.samples or None,
            "time_edges": result.edges.tolist(),
            "rows": [
                {"target": axis.ids[target], "start": low, "end": high, "kind": kinds[row]}
                for row, (target, low, high) in enumerate(places)
            ],
            "values": [_numbers(column) for column in result.values],
            "covered": [_numbers(column) for column in result.covered],
            "free": None if result.free is None else result.free.tolist(),
        }
    if isinstance(result, LinesReport):
        return {
            "time": result.time.tolist(),
            "series": [
                {
                    "name": line.name,
                    "unit": line.unit,
                    "mean": line.mean,
                    "percentiles": {str(p): v for p, v in zip(LINE_PERCENTILES, line.percentiles, strict=True)},
                    "compared_with": {"name": line.against_name, "value": line.against} if line.against_name else None,
                    "values": _numbers(line.values),
                }
                for line in result.lines
            ],
            "remarks": list(result.remarks),
        }
    if isinstance(result, IdlePercentiles):
        return {
            "time": result.time.tolist(),
            "idle_ms_percentiles": result.values.tolist(),
            "total_bytes": result.total.tolist(),
            "mean_bytes_idle_at_least_s": {
                str(threshold): count if math.isfinite(count) else None
                for threshold, count in zip(THRESHOLDS, result.at_least, strict=True)
            },
        }
    assert isinstance(result, Histogram)
    return {
        "metric": result.name,
        "unit": result.unit,
        "edges": result.edges.tolist(),
        "bytes": _numbers(result.bytes),
        "in_use_bytes": result.in_use,
        "total_bytes": result.total,
    }


def _numbers(values: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _snapshot(result: RegionsReport, index: int) -> dict[str, Any]:
    snapshot = result.table.snapshot(index)
    known = result.intervals.known
    used = usage.in_use(snapshot)
    idle = metrics.idle_ms_of(snapshot.nr_accesses, snapshot.age, int(result.intervals.next_aggr[index]))
    regions = []
    for i in range(len(snapshot)):
        accesses = int(snapshot.nr_accesses[i])
        region: dict[str, Any] = {
            "target": snapshot.targets[int(snapshot.target[i])],
            "start": int(snapshot.start[i]),
            "end": int(snapshot.end[i]),
            "nr_accesses": accesses,
            "age": int(snapshot.age[i]),
            "rate": accesses / int(result.intervals.most[index]) if known else None,
            "idle_ms": int(idle[i]) if known else None,
        }
        if i < len(snapshot.names) and snapshot.names[i]:
            region["name"] = snapshot.names[i]
        if snapshot.resident is not None:
            region["resident"], region["used"] = int(snapshot.resident[i]), round(float(used[i]))
        regions.append(region)
    return {
        "time": snapshot.time,
        "aggr_us": int(result.intervals.aggr[index]) if known else None,
        "sample_us": int(result.intervals.sample[index]) if known else None,
        "complete": snapshot.complete,
        "regions": regions,
    }
