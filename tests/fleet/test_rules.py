"""The recording and alerting rules, by Prometheus' own tests of rules; the board, each of its questions answered."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from damontui import cli
from damontui.commands.fleet import template
from damontui.commands.scrape import Newest, Server
from damontui.damon.snapshot import FRAME_KINDS, Frames, ints
from damontui.fleet.wish import RECORDED, Wish
from tests.output.test_metrics import reading
from tests.prometheus import need, prometheus, until

TESTS = """
rule_files: [RULES]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'damon_enabled{job="d",instance="a"}', values: '1x600'}
      - {series: 'damon_enabled{job="d",instance="off"}', values: '0x600'}
      - {series: 'damon_enabled{job="d",instance="late"}', values: '1x600'}
      - {series: 'damon_enabled{job="d",instance="old"}', values: '1x600'}
      - {series: 'damon_target_info{job="d",instance="a",kernel="6.18.1"}', values: '1x600'}
      - {series: 'damon_target_info{job="d",instance="old",kernel="6.17.1"}', values: '1x600'}
      - {series: 'damon_watched_seconds{job="d",instance="a"}', values: '0+60x600'}
      - {series: 'damon_watched_seconds{job="d",instance="late"}', values: '0+60x600'}
      - {series: 'damon_watched_seconds{job="d",instance="old"}', values: '0+60x600'}
      - {series: 'damon_aggregation_interval_seconds{job="d",instance="a"}', values: '2x600'}
      - {series: 'damon_aggregation_interval_seconds{job="d",instance="late"}', values: '2x600'}
      - {series: 'damon_aggregation_interval_seconds{job="d",instance="old"}', values: '2x600'}
      - {series: 'damon_last_aggregation_timestamp_seconds{job="d",instance="a"}', values: '0+60x600'}
      - {series: 'damon_last_aggregation_timestamp_seconds{job="d",instance="old"}', values: '0+60x600'}
      - {series: 'damon_last_aggregation_timestamp_seconds{job="d",instance="late"}', values: '0x600'}
      - {series: 'damon_memory_idle_seconds_bucket{job="d",instance="a",rule="estimate",le="60.0"}', values: '10x600'}
      - {series: 'damon_memory_idle_seconds_bucket{job="d",instance="a",rule="estimate",le="900"}', values: '40x600'}
      - {series: 'damon_memory_idle_seconds_bucket{job="d",instance="a",rule="estimate",le="+Inf"}', values: '100x600'}
      - {series: 'damon_memory_idle_seconds_bucket{job="d",instance="late",rule="estimate",le="+Inf"}', values: '7x600'}
      - {series: 'damon_memory_idle_seconds_bucket{job="d",instance="old",rule="estimate",le="+Inf"}', values: '9x600'}
      - {series: 'damon_memory_bytes{job="d",instance="a",kind="free"}', values: '5x600'}
      - {series: 'damon_lost_events_total{job="d",instance="a"}', values: '0x30 12x600'}
    promql_expr_test:
      - expr: damon:memory_idle_seconds_bucket:sum
        eval_time: 10m
        exp_samples: []
      - expr: damon:memory_idle_seconds_bucket:sum
        eval_time: 20m
        exp_samples:
          - {labels: 'damon:memory_idle_seconds_bucket:sum{rule="estimate",le="60.0",threshold="900"}', value: 10}
          - {labels: 'damon:memory_idle_seconds_bucket:sum{rule="estimate",le="900",threshold="900"}', value: 40}
          - {labels: 'damon:memory_idle_seconds_bucket:sum{rule="estimate",le="+Inf",threshold="900"}', value: 100}
      - expr: damon:memory_idle_15m_bytes
        eval_time: 20m
        exp_samples:
          - {labels: 'damon:memory_idle_15m_bytes{job="d",instance="a"}', value: 60}
    alert_rule_test:
      - {eval_time: 10m, alertname: DamonOff, exp_alerts: []}
      - eval_time: 20m
        alertname: DamonOff
        exp_alerts:
          - exp_labels: {job: d, instance: 'off', severity: info}
            exp_annotations:
              summary: Memory of off is not being monitored
              description: "DAMON_STAT is off. Switch it on there: echo Y > /sys/module/damon_stat/parameters/enabled"
      - eval_time: 20m
        alertname: DamonStale
        exp_alerts:
          - exp_labels: {job: d, instance: late, severity: warning}
            exp_annotations:
              summary: Numbers of late are 20m 0s old
              description: "An aggregation takes 200 s at most. Look at: journalctl -u damontui-export"
      - {eval_time: 20m, alertname: DamonClockAhead, exp_alerts: []}
      - {eval_time: 20m, alertname: DamonEventsLost, exp_alerts: []}
      - eval_time: 40m
        alertname: DamonEventsLost
        exp_alerts:
          - exp_labels: {job: d, instance: a, severity: info}
            exp_annotations:
              summary: "Trace events of a were lost: some aggregations lack regions"
      - {eval_time: 5h, alertname: DamonMemoryIdle, exp_alerts: []}
      - eval_time: 7h
        alertname: DamonMemoryIdle
        exp_alerts:
          - exp_labels: {job: d, instance: a, severity: info}
            exp_annotations:
              summary: Over half of the memory in use on a has been idle for 15 minutes or longer all the time
"""


def test_rules_by_prometheus_own_tests(tmp_path: Path) -> None:
    rules, tests = tmp_path / "damontui.rules.yml", tmp_path / "tests.yml"
    rules.write_text(template("damontui.rules.yml"))
    tests.write_text(TESTS.replace("RULES", str(rules)))
    for command in (["check", "rules", str(rules)], ["test", "rules", str(tests)]):
        done = subprocess.run([need("promtool"), *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_recorded_is_what_would_be_asked() -> None:
    text = template("damontui.rules.yml")
    assert f"record: {RECORDED}\n" in text
    found = re.search(r"sum by \(le, rule\) (\(damon_memory_idle.*?\n          \)\))\n", text, re.DOTALL)
    assert found is not None

    def plain(query: str) -> str:
        return re.sub(r"\s|\{\}", "", query)

    assert plain(found[1]) == plain(Wish().buckets().replace('{rule="estimate"}', ""))


def full() -> Any:
    """A reading of all that there is."""
    made = reading(last_wall=time.time())
    snapshot = made.snapshot
    assert snapshot is not None
    assert made.estimate is not None
    counts = np.ones((len(snapshot), len(FRAME_KINDS)), np.int64)
    nothing = ints([0] * len(counts))
    frames = Frames(counts, nothing, nothing.copy())
    estimate = replace(made.estimate, watched_s=3600.0)
    return replace(made, snapshot=replace(snapshot, frames=frames, watched=3600.0), estimate=estimate)


@contextlib.contextmanager
def exporting(reading: Any) -> Iterator[str]:
    """Where a reading can be scraped: ``127.0.0.1:PORT``."""
    newest = Newest()
    newest.reading = reading
    server = Server("127.0.0.1", 0, newest)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_every_question_of_the_board_is_answered(tmp_path: Path) -> None:
    board = json.loads(template("grafana.json"))
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(queries) > 20
    assert {one["name"] for one in board["templating"]["list"]} == {"datasource", "job", "instance"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    need("prometheus")
    with exporting(full()) as target, prometheus(tmp_path, [target]) as engine:
        until(lambda: engine.query("rate(damontui_cpu_seconds_total[5m])"))
        for query in queries:
            asked = query.replace("$job", ".*").replace("$instance", ".*")
            assert "$" not in asked
            assert engine.get("query", query=asked)["result"], query
        assert engine.get("label/instance/values") == [target]


def test_both_are_printed(capsys: Any) -> None:
    assert cli.main(["fleet", "--rules"]) == 0
    assert capsys.readouterr().out == template("damontui.rules.yml")
    assert cli.main(["fleet", "--board"]) == 0
    assert json.loads(capsys.readouterr().out)["title"]
