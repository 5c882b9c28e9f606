"""The same questions to newer engines: Prometheus 3, with conversion to native histograms, too; VictoriaMetrics."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from damontui.commands.fleet import template
from damontui.errors import SourceError
from damontui.fleet.ask import ask_details, ask_hosts
from damontui.fleet.client import Client
from damontui.fleet.model import FleetPicture
from damontui.fleet.sums import ask, history, trend
from damontui.fleet.wish import RECORDED, Wish
from tests import engines
from tests.commands.test_export import running
from tests.engines import need_newer
from tests.fleet.test_rules import TESTS, exporting, full
from tests.prometheus import Prometheus, check_metrics, fetch, prometheus, until, victoria_metrics

MIB = 1 << 20
ENGINES = ("prometheus 3", "prometheus 3, converting", "victoria-metrics")


@contextlib.contextmanager
def engine(name: str, folder: Path, targets: list[str], rules: str = "", job: str = "") -> Iterator[Prometheus]:
    """An engine of `ENGINES` that scrapes these each second, or with other words in its job."""
    folder.mkdir()
    if name == "victoria-metrics":
        with victoria_metrics(folder, targets, need_newer(name)) as server:
            yield server
        return
    if name == "prometheus 3, converting":
        job = job or "convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true, " + TEXT
    config = (
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
        f"rule_files: [{rules}]\n"
        f"scrape_configs: [{{job_name: damon, {job} static_configs: [{{targets: {json.dumps(targets)}}}]}}]\n"
    )
    options = ["--enable-feature=native-histograms"] if job else []
    with prometheus(folder, config=config, program=need_newer("prometheus"), options=options) as server:
        yield server


TEXT = "scrape_protocols: [PrometheusText0.0.4], "
"""Prometheus converts histograms, and knows the gauge histograms of OpenMetrics as something else."""


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[list[str]]:
    """Two exporters that are watched, and one that is off."""
    with contextlib.ExitStack() as stack:
        made = []
        for name, source in (("a", "fake:watched"), ("b", "fake:watched"), ("c", "fake:off")):
            (tmp_path / name).mkdir()
            made.append(stack.enter_context(running(tmp_path / name, source, "--listen", "0")))
        yield [one.url().split("/")[2] for one in made]


def settled(client: Client, wish: Wish, **wanted: int) -> FleetPicture:
    """A look, once it counts these states."""

    def look() -> Any:
        try:
            found = ask(client, wish)
        except SourceError:
            return None
        return found if dict(found.counted) == wanted else None

    found: FleetPicture = until(look)
    return found


@pytest.mark.parametrize("name", ENGINES)
def test_all_questions_of_the_fleet(name: str, tmp_path: Path, targets: list[str]) -> None:
    with engine(name, tmp_path / "engine", targets) as server:
        client = Client(server.url)
        wish = Wish(threshold=60)
        found = settled(client, wish, ok=2, off=1)
        states = dict(zip(found.hosts.names, found.hosts.states, strict=True))
        assert states == {targets[0]: "ok", targets[1]: "ok", targets[2]: "off"}
        assert found.sums[""].total == 2 * 16 * MIB
        assert found.notes == ()
        assert found.sums[""].quantile(0.01) == 0.0
        # within the bucket that ends at a second, as the engine has it itself
        own = server.query(f"histogram_quantile(0.5, {wish.sums()})")[""]
        assert found.sums[""].quantile(0.5) == pytest.approx(own)
        assert client.instant(wish.sums())  # each bucket matched: what is asked where many hosts are left out
        assert set(ask(client, Wish(threshold=60, by="instance")).sums) == {"", *targets[:2]}
        assert len(ask(client, Wish(threshold=60, match=f'instance="{targets[0]}"')).hosts) == 1
        assert ask(client, Wish(threshold=60, rule="kernel")).sums[""].total == 2 * 16 * MIB
        within = ask(client, Wish(threshold=90))
        assert within.counted == {"ok": 2, "off": 1}
        assert np.nansum(within.hosts.columns["idle"]) == 2 * 15 * MIB  # all but what is in use
        some = ask_hosts(client, wish, details=())
        details = ask_details(client, wish, some, range(3))
        assert sorted(details.keys) == sorted(("damon", one) for one in targets[:2])
        assert (details.columns["bandwidth"] >= 0).all()
        until(lambda: trend(client, wish, ask(client, wish).time, 3.0, points=2).sums[-1].total > 0)
        at = found.hosts.names.index(targets[0])
        assert history(client, wish, found.hosts, at, ask(client, wish).time, 4.0, points=3).sums[-1].total == 16 * MIB
        client.close()


def test_a_histogram_that_prometheus_converts_says_the_same_of_itself(tmp_path: Path, targets: list[str]) -> None:
    with engine("prometheus 3, converting", tmp_path / "engine", targets[:2]) as server:
        classic = 'histogram_quantile(0.5, sum by (le) (damon_memory_idle_seconds_bucket{rule="estimate"}))'
        native = 'histogram_quantile(0.5, sum(damon_memory_idle_seconds{rule="estimate"}))'
        until(lambda: len(server.get("query", query="damon_memory_idle_seconds")["result"]) == 4)
        until(lambda: server.query(native) == server.query(classic) != {})
        count = server.query('histogram_count(sum(damon_memory_idle_seconds{rule="estimate"}))')
        assert count == {"": 2 * 16 * MIB}


def test_buckets_that_were_converted_away_are_told(tmp_path: Path, targets: list[str]) -> None:
    """Without always_scrape_classic_histograms nothing is left that other engines could answer."""
    job = "convert_classic_histograms_to_nhcb: true, " + TEXT
    with engine("prometheus 3, converting", tmp_path / "engine", targets, job=job) as server:
        client = Client(server.url)
        found = settled(client, Wish(threshold=60), unknown=2, off=1)
        assert [one for one in found.notes if "always_scrape_classic_histograms" in one]
        client.close()


@pytest.mark.parametrize("name", ENGINES)
def test_every_question_of_the_board_and_of_the_rules_is_answered(name: str, tmp_path: Path) -> None:
    board = json.loads(template("grafana.json"))
    rules = yaml.safe_load(template("damontui.rules.yml"))["groups"][0]["rules"]
    expected = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    recorded = [rule["expr"] for rule in rules if "record" in rule]
    alerts = [rule["expr"] for rule in rules if "alert" in rule]
    with exporting(full()) as target, engine(name, tmp_path / "engine", [target]) as server:
        until(lambda: server.query("rate(damontui_cpu_seconds_total[5m])"))
        for query in expected + recorded:
            asked = query.replace("$job", ".*").replace("$instance", ".*")
            assert server.get("query", query=asked)["result"], query
        for query in alerts:
            assert isinstance(server.get("query", query=query)["result"], list), query


def test_prometheus_3_records_what_the_fleet_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "damontui.rules.yml"
    # evaluated each second, and for an idle time that this exporter has been watched for
    path.write_text(template("damontui.rules.yml"))
    with exporting(full()) as target, engine("prometheus 3", tmp_path / "engine", [target], rules=str(path)) as server:
        client = Client(server.url)
        until(lambda: server.query(f"count({RECORDED})"))
        found = settled(client, Wish(), ok=1)
        until(lambda: trend(client, Wish(), ask(client, Wish()).time, 4.0, points=3).recorded)
        recorded = server.query(f'{RECORDED}{{rule="estimate",le="+Inf"}}')
        assert list(recorded.values()) == [found.sums[""].total]
        client.close()


def test_prometheus_3_by_its_own_tests_of_rules_and_metrics(tmp_path: Path) -> None:
    promtool = need_newer("promtool")
    rules, tests = tmp_path / "damontui.rules.yml", tmp_path / "tests.yml"
    rules.write_text(template("damontui.rules.yml"))
    tests.write_text(TESTS.replace("RULES", str(rules)))
    for command in (["check", "rules", "--lint=all", str(rules)], ["test", "rules", str(tests)]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    with exporting(full()) as target:
        for accept in ("text/plain", "application/openmetrics-text;version=1.0.0"):
            page = fetch(f"http://{target}/metrics", accept)[0]
            if accept == "text/plain":
                assert check_metrics(page, promtool) == ""


def test_vmalert_takes_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "damontui.rules.yml"
    rules.write_text(template("damontui.rules.yml"))
    command = [need_newer("vmalert"), f"-rule={rules}", "-dryRun", "-loggerLevel=ERROR"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_engine_that_cannot_be_had_is_skipped_with_a_reason_but_fails_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMONTUI_KERNELS", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get is missing"):
        need_newer("prometheus")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get is missing"):
        need_newer("prometheus")


def test_an_engine_that_was_kept_is_taken_only_as_it_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMONTUI_KERNELS", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    place = tmp_path / "engines/promtool"
    place.mkdir(parents=True)
    (place / "promtool").write_text("#!/bin/sh\n")
    (place / "promtool.sha256").write_text(engines.checksum(place / "promtool"))
    assert engines.get("promtool") == place / "promtool"
    (place / "promtool").write_text("#!/bin/sh\nrm -rf /\n")
    with pytest.raises(engines.Unavailable, match="apt-get is missing"):
        engines.get("promtool")
