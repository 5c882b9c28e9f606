"""One machine as Prometheus metrics: from a `Reading` to families of samples, without input or output.

Names and units are Prometheus' (base units, the unit in the name). Idle memory is a *gauge histogram weighted in
bytes*: the bucket ``le="60"`` holds the bytes whose last touch is at most 60 s ago, ``le="0"`` those touched in the
last aggregation. Bytes of hosts can be added up, percentiles cannot; so the percentiles of a fleet are
``histogram_quantile`` over the sum of the buckets. OpenMetrics knows gauge histograms. Prometheus' older text does not,
and a collector of text files makes a histogram with ``_count`` of it: so the same buckets are written there as a
histogram, and whoever asks uses only ``_bucket``, whose name is the same in both.

What is not known makes no sample: nothing is said to be idle for 300 s that was watched for 200 s, and while monitoring
is off there is no memory, only that it is off (``damon_enabled 0``). No sample has a timestamp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector

from damontui import __version__
from damontui.analysis import frames, rounding, usage
from damontui.analysis.estimate import Estimate, Floats
from damontui.analysis.owners import OwnerRow
from damontui.damon import metrics
from damontui.damon.snapshot import Description, Ints, ModuleValues, Snapshot
from damontui.safe_text import shown

BUCKET_BOUNDS = (0.0, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0)
"""Upper ends of the histogram's buckets, seconds; +Inf follows."""
THRESHOLDS = (60, 300)
"""Seconds of the plain gauges, for receivers without gauge histograms (OpenTelemetry)."""
MOST_LABEL = 128
"""Most characters of a label's value."""

_IDLE = "damon_memory_idle_seconds"
_IDLE_HELP = (
    "Bytes of memory by seconds since their last touch; le=0 was touched in the last aggregation. "
    "The estimate leaves out what is free and what the kernel uses itself, where that is known"
)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What an exporter knows at one moment."""

    description: Description
    enabled: bool
    """Whether memory is being monitored."""
    snapshot: Snapshot | None = None
    """The last aggregation's, while memory is monitored; None before the first."""
    estimate: Estimate | None = None
    """The estimate of that moment, from all snapshots so far; None where bytes are counted, or nothing is known yet."""
    module: ModuleValues | None = None
    """DAMON_STAT's own numbers, the newest."""
    module_bytes: int | None = None
    """Bytes that its percentiles are shares of; None where unknown."""
    last_wall: float | None = None
    """When the last aggregation ended, seconds since 1970, also of before monitoring was switched off."""
    lost: int = 0
    """Trace events lost since the start."""
    errors: int = 0
    """How often the source failed since the start."""
    kdamond_cpu: float = 0.0
    """CPU seconds of the observer since the start."""
    own_cpu: float = 0.0
    """CPU seconds of this process."""
    groups: tuple[OwnerRow, ...] = ()
    """Control groups that get samples, the largest first, each with the memory that is charged to itself."""


@dataclass(frozen=True, slots=True)
class CumulativeHistogram:
    """Bytes by idle time."""

    cumulated: tuple[float, ...]
    """Bytes idle for at most each of `BUCKET_BOUNDS`."""
    total: float
    weighted: float
    """Sum over all bytes of their idle seconds."""


def histogram(idle_s: Floats, sizes: Floats | Ints) -> CumulativeHistogram:
    """Bytes by idle seconds; arrays of shape ``(n,)``, 0 or less is in use."""
    idle = np.maximum(idle_s, 0.0)
    order = np.argsort(idle, kind="stable")
    sums = np.concatenate(([0.0], np.cumsum(sizes[order], dtype=np.float64)))
    # idle times are sums of intervals: what is 60 s but for rounding is 60 s
    at = np.searchsorted(idle[order], np.asarray(BUCKET_BOUNDS) + 1e-6, side="right")
    return CumulativeHistogram(tuple(sums[at].tolist()), float(sums[-1]), float((idle * sizes).sum()))


def idle_histograms(reading: Reading) -> dict[str, CumulativeHistogram]:
    """The histograms that can be had, by rule: ``estimate``, ``kernel`` and, where bytes were counted, ``counted``."""
    found: dict[str, CumulativeHistogram] = {}
    snapshot = reading.snapshot
    if snapshot is not None and snapshot.measured is not None:
        return {"counted": _counted(snapshot)}
    if reading.estimate is not None:
        found["estimate"] = histogram(*reading.estimate.ages())
    if snapshot is not None and len(snapshot):
        found["kernel"] = histogram(metrics.idle_ms(snapshot) / 1000, snapshot.memory)
    elif reading.module is not None and reading.module.idle_ms_percentiles and reading.module_bytes:
        # without a trace: percentile p is the idle time of the p-th hundredth of memory, which ends at it
        idle = np.asarray(reading.module.idle_ms_percentiles[1:]) / 1000
        found["kernel"] = histogram(idle, np.full(len(idle), reading.module_bytes / len(idle)))
    return found


def _counted(snapshot: Snapshot) -> CumulativeHistogram:
    """The histogram of counted bytes. Memory that was never touched counts as idle for the time watched, as in
    estimates."""
    measured = snapshot.measured
    assert measured is not None
    curve, total = measured.used.sum(axis=0), float(snapshot.total_bytes)
    reach = measured.seconds[-1]
    sums = [
        total if bound >= reach else float(usage.on_curve(measured.seconds, curve, max(bound, measured.seconds[0])))
        for bound in BUCKET_BOUNDS
    ]
    steps = np.diff(np.concatenate((curve, [total])))
    return CumulativeHistogram(tuple(sums), total, float((steps * np.asarray(measured.seconds)).sum()))


def families(reading: Reading, *, open_metrics: bool) -> list[Metric]:
    """All metrics of a reading.

    Args:
        reading: the machine.
        open_metrics: make gauge histograms, which OpenMetrics knows; else histograms.
    """
    about = reading.description
    target = {"target": about.target, "title": about.title, "origin": about.origin, "kernel": about.kernel}
    found: list[Metric] = [
        _info("damontui_build", "The program that says all this", {"version": __version__}),
        _info("damon_target", "What is monitored", target),
        _gauge("damon_enabled", "1 while memory is being monitored, 0 while that is off", float(reading.enabled)),
        _counter("damon_lost_events", "Trace events lost since the exporter's start", reading.lost),
        _counter("damontui_source_errors", "How often the source failed since the exporter's start", reading.errors),
        _counter("damon_kdamond_cpu_seconds", "CPU time of the observer while it was watched", reading.kdamond_cpu),
        _counter("damontui_cpu_seconds", "CPU time of the exporter", reading.own_cpu),
    ]
    if reading.last_wall is not None:
        wall = "When the last aggregation ended, seconds since 1970"
        found.append(_gauge("damon_last_aggregation_timestamp_seconds", wall, reading.last_wall))
    if not reading.enabled:
        return found
    if reading.module is not None and reading.module.bandwidth is not None:
        own = "estimated_memory_bandwidth as DAMON_STAT says it, counted while an aggregation is under way"
        found.append(_gauge("damon_stat_bandwidth_bytes_per_second", own, reading.module.bandwidth))
    histograms = idle_histograms(reading)
    if histograms:
        found.append(_histograms(histograms, open_metrics=open_metrics))
    if reading.snapshot is not None:
        found += _of_snapshot(reading.snapshot, reading.estimate)
    if reading.groups:
        found += _groups(reading.groups)
    return found


def _groups(rows: Sequence[OwnerRow]) -> list[Metric]:
    """Five samples a control group. Paths that are alike once they are short and safe are one group, with its sums."""
    whole: dict[str, float] = {}
    kinds: dict[tuple[str, str], float] = {}
    idle: dict[tuple[str, str], float] = {}
    for row in rows:
        path = _label(row.path)
        whole[path] = whole.get(path, 0.0) + row.bytes.bytes
        for kind in ("anon", "file"):
            kinds[path, kind] = kinds.get((path, kind), 0.0) + row.kinds.get(kind, 0.0)
        for seconds, amount in row.idle:
            key = path, f"{seconds:g}"
            idle[key] = idle.get(key, 0.0) + amount.bytes
    sizes = GaugeMetricFamily(
        "damon_cgroup_memory_bytes", "Bytes charged to a control group itself, estimated", labels=["cgroup"]
    )
    parts = GaugeMetricFamily(
        "damon_cgroup_memory_kind_bytes", "The same by what they hold, anonymous and file", labels=["cgroup", "kind"]
    )
    rests = GaugeMetricFamily(
        "damon_cgroup_memory_idle_bytes",
        "What of it was not touched for at least the threshold (s)",
        labels=["cgroup", "threshold"],
    )
    for path, held in whole.items():
        sizes.add_metric([path], held)
    for family, found in ((parts, kinds), (rests, idle)):
        for labels, held in found.items():
            family.add_metric([*labels], held)
    return [sizes, parts, rests]


def _of_snapshot(snapshot: Snapshot, estimate: Estimate | None) -> list[Metric]:
    attrs = snapshot.attrs
    found: list[Metric] = [
        _gauge("damon_aggregation_interval_seconds", "Aggregation interval of the last one", attrs.aggr_us / 1e6),
        _gauge("damon_sampling_interval_seconds", "Sampling interval of the last aggregation", attrs.sample_us / 1e6),
        _gauge("damon_regions", "Regions in the last aggregation", len(snapshot)),
    ]
    # the estimate knows what was seen from here, which is less than the kernel's own ages where this began later
    seen = None if estimate is None else estimate.watched_s
    known = [one for one in (snapshot.watched, seen) if one is not None]
    if known:
        since = "Seconds for which memory has been watched from here without a gap; nothing is idle for longer"
        found.append(_gauge("damon_watched_seconds", since, min(known)))
    if snapshot.pressure is not None and snapshot.pressure.some is not None:
        share = "Share of the time in which some task waited for memory (PSI), since the aggregation before"
        found.append(_gauge("damon_pressure_memory_some_ratio", share, snapshot.pressure.some))
    if not len(snapshot):
        return found
    touched = estimate.bandwidth if estimate is not None else rounding.Rounding().bandwidth(snapshot)
    text = "Bytes touched a second in the last aggregation, a page at most once in a sampling interval"
    found.append(_gauge("damon_estimated_bandwidth_bytes_per_second", text, touched))
    used = GaugeMetricFamily("damon_working_set_bytes", "Bytes touched within the threshold (s)", labels=["threshold"])
    for seconds in THRESHOLDS:
        amount = _used_within(snapshot, estimate, seconds)
        if amount is not None:
            used.add_metric([str(seconds)], amount)
    return [*found, used, *_kinds(snapshot, estimate)]


def _used_within(snapshot: Snapshot, estimate: Estimate | None, seconds: float) -> float | None:
    """Bytes touched within ``seconds``; None where memory was not watched for so long."""
    if estimate is not None:
        # an aggregation that is longer does not tell when in it memory was touched
        known = estimate.aggregation_s <= seconds <= estimate.watched_s
        return estimate.working_set(seconds).bytes if known else None
    amount = usage.used_within(snapshot, seconds)
    return None if amount is None else amount.bytes


def _kinds(snapshot: Snapshot, estimate: Estimate | None) -> list[Metric]:
    """Memory by kind, and how much of each is idle; kinds add up to all memory, free memory being one of them."""
    held, idle = _by_kind(snapshot, estimate)
    sizes = GaugeMetricFamily("damon_memory_bytes", "Bytes of memory by what they hold", labels=["kind"])
    rests = GaugeMetricFamily(
        "damon_memory_idle_bytes",
        "Bytes not touched for at least the threshold (s), by what they hold; free memory and the kernel's own are not",
        labels=["kind", "threshold"],
    )
    for kind, amount in held.items():
        sizes.add_metric([kind], amount)
    for (kind, seconds), amount in idle.items():
        rests.add_metric([kind, str(seconds)], amount)
    return [sizes, rests]


def _by_kind(snapshot: Snapshot, estimate: Estimate | None) -> tuple[dict[str, float], dict[tuple[str, int], float]]:
    held: dict[str, float] = {}
    idle: dict[tuple[str, int], float] = {}
    watched = estimate.watched_s if estimate is not None else usage.watched(snapshot)
    for seconds in THRESHOLDS:
        if snapshot.measured is not None:
            for kind, (bytes_, used) in usage.by_kind(snapshot, seconds).items():
                held[kind] = float(bytes_)
                if usage.reaches(snapshot, seconds):
                    idle[kind, seconds] = bytes_ - used
            continue
        share = None if estimate is None else estimate.idle_by_region(snapshot, seconds)
        for kind, part in frames.grouped(snapshot, seconds, share).items():
            held[kind] = part.bytes.bytes
            if kind in frames.SEEN and seconds <= watched:
                idle[kind, seconds] = part.idle.bytes
    if not held:
        free = float(snapshot.free or 0)
        if snapshot.free is not None:
            held["free"] = free
        held["unknown"] = max(0.0, snapshot.total_bytes - free)
        for seconds in THRESHOLDS:
            used_bytes = _used_within(snapshot, estimate, seconds)
            if used_bytes is not None:
                # no free page is ever seen in use, so what looks idle holds all that is free
                idle["unknown", seconds] = max(0.0, snapshot.total_bytes - used_bytes - free)
    return held, idle


# -- samples


def _label(text: str) -> str:
    safe = shown(text)
    return safe if len(safe) <= MOST_LABEL else f"{safe[: MOST_LABEL - 1]}…"


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _info(name: str, text: str, labels: Mapping[str, str]) -> Metric:
    return InfoMetricFamily(name, text, value={key: _label(value) for key, value in labels.items()})


def _histograms(found: Mapping[str, CumulativeHistogram], *, open_metrics: bool) -> Metric:
    kind = GaugeHistogramMetricFamily if open_metrics else HistogramMetricFamily
    family = kind(_IDLE, _IDLE_HELP, labels=["rule"])
    for rule, one in found.items():
        buckets = [(_number(bound), bytes_) for bound, bytes_ in zip(BUCKET_BOUNDS, one.cumulated, strict=True)]
        family.add_metric([rule], [*buckets, ("+Inf", one.total)], one.weighted)
    return family


def _number(bound: float) -> str:
    """A bucket's bound as Prometheus and OpenMetrics write it themselves, so that it has one name everywhere."""
    return f"{bound:.1f}"


# -- text


class _Families(Collector):
    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found

    def collect(self) -> Sequence[Metric]:
        return self._found


def text(reading: Reading) -> bytes:
    """Prometheus' text format 0.0.4, for a file; UTF-8."""
    return generate_latest(_Families(families(reading, open_metrics=False)))


def negotiated(reading: Reading, accept: str) -> tuple[bytes, str]:
    """The text for a scraper that sends this ``Accept`` header, and its content type."""
    encode, kind = choose_encoder(accept)
    if kind.startswith("application/openmetrics-text"):
        return encode(_Families(families(reading, open_metrics=True))), kind
    return text(reading), CONTENT_TYPE_PLAIN_0_0_4
