"""A real kernel's memory, from DAMON_STAT in a guest over a Prometheus of this machine to the fleet's JSON."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.guests import kernels, network
from tests.guests.conftest import Machines, Notes
from tests.guests.vm import REPO, Missing, Result, Vm, requirements
from tests.prometheus import Prometheus, free_port, need, prometheus, until

CHECK = "scraped.a_machine_outside_scrapes_it"
RAM = 2048
"""MiB that the guest has."""


def fleet(server: Prometheus, *words: str) -> dict[str, Any]:
    """What ``damontui fleet --json`` says, or nothing yet."""
    command = [sys.executable, "-m", "damontui", "fleet", server.url, "--json", "--idle", "60", "--timeout", "60"]
    command += words
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPO)
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


@pytest.mark.kernel
@pytest.mark.xdist_group("6.18")
@pytest.mark.parametrize("series", ["6.18"])
def test_a_guest_in_the_fleet(machines: Machines, series: str, note: Notes, tmp_path: Path) -> None:
    need("prometheus")
    machines.close()  # one at a time
    try:
        requirements()
        network.modules(series)
    except (Missing, kernels.Unavailable) as reason:
        pytest.skip(str(reason))
    ports = free_port(), free_port()
    answers: list[Result | BaseException] = []
    with Vm(series, memory=RAM, network=ports) as vm:

        def check() -> None:
            try:
                answers.append(vm.run(CHECK, 600))
            except BaseException as error:
                answers.append(error)

        def scraped() -> Any:
            assert not answers, answers  # it has not ended by itself
            found = fleet(server)
            # it counts once the exporter has watched for a minute, and the load is idle some aggregations after that
            return found if found.get("states") == {"ok": 1} and found["could_be_saved"]["bytes"] > 192 << 20 else None

        thread = threading.Thread(target=check, daemon=True)
        thread.start()
        config = (
            "global: {scrape_interval: 2s, scrape_timeout: 2s}\n"
            f"scrape_configs: [{{job_name: guest, static_configs: [{{targets: ['127.0.0.1:{ports[0]}']}}]}}]\n"
        )
        with prometheus(tmp_path, config=config) as server:
            found = until(scraped, 400.0)
            by_rule = fleet(server, "--rule", "kernel")
            kernel = server.get("query", query="damon_target_info")["result"][0]["metric"]["kernel"]
            with socket.create_connection(("127.0.0.1", ports[1]), timeout=30):
                pass
            thread.join(120)
        assert answers, "the check in the guest does not end"
        result = answers[0]
        assert isinstance(result, Result), result
        note.line(f"Linux {vm.kernel}, ready after {vm.boot_seconds:.1f} s")
        note.result(CHECK, result)
        assert result.outcome == "passed", result.text
    (host,) = found["hosts"]
    facts = result.facts
    note.line(f"fleet --json: {json.dumps({**host, 'saved': found['could_be_saved']})}")
    assert kernel == facts["kernel"] == vm.kernel
    assert host["instance"] == f"127.0.0.1:{ports[0]}"
    assert (found["states"], found["notes"]) == ({"ok": 1}, [])
    # by the kernel's rule it is all memory: what its map has, which is what the machine was given
    (whole,) = by_rule["hosts"]
    assert whole["total_bytes"] == pytest.approx(facts["installed"], rel=0.02)
    assert facts["installed"] == pytest.approx(RAM << 20, rel=0.02)
    rest = max(0.0, whole["idle_bytes"] - whole["free_bytes"])
    assert by_rule["could_be_saved"]["bytes"] == pytest.approx(rest, abs=1)
    # frames are drawn at random, 64 or a few more by then in an emulator: three standard errors
    chance = 3 * 0.5 / 64**0.5 * (RAM << 20)
    assert facts["free_least"] - chance <= host["free_bytes"] <= facts["free_most"] + chance
    # the estimate is of what is neither free nor the kernel's, and of that 256 MiB were touched only once, before
    held = facts["total"] - facts["free_least"]
    assert 192 << 20 <= host["total_bytes"] <= held + chance
    assert found["could_be_saved"]["bytes"] == pytest.approx(host["idle_bytes"], abs=1)
    assert 192 << 20 <= host["idle_bytes"] <= host["total_bytes"]
    # and half as much was touched all the time: beside other work 94 MiB of it were seen
    assert 80 << 20 <= host["working_set_bytes"] <= host["total_bytes"] - (192 << 20)
    assert host["idle_bytes"] + host["working_set_bytes"] == pytest.approx(host["total_bytes"], rel=0.05)
    assert host["watched_s"] >= 60
    assert 0 <= host["age_s"] < 60
    # what the exporter itself said last, there: about the same memory
    page = zlib.decompress(base64.b64decode(result.files["page"])).decode()
    last = re.search(r'damon_memory_idle_seconds_bucket\{le="\+Inf",rule="estimate"\} (\S+)', page)
    assert last is not None
    assert float(last[1]) == pytest.approx(host["total_bytes"], rel=0.25)
