"""``damontui fleet`` as a program: refusals, and three real exporters under a real Prometheus."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from damontui import cli
from damontui.errors import SourceError
from damontui.fleet.client import Client
from damontui.fleet.sums import ask
from damontui.fleet.wish import Wish
from tests.commands.test_export import running
from tests.prometheus import need, prometheus, until


def test_the_libraries_are_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["fleet", "http://127.0.0.1:1"]) == 1
    assert "pip install 'damontui[fleet]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["http://127.0.0.1:1", "--json"], 1, "connection refused"),
        (["http://me:sesame@127.0.0.1:1", "--json"], 2, "--http-config"),
        (["http://127.0.0.1:1", "--idle", "50"], 2, "from 60 to 14400 s"),
        (["http://127.0.0.1:1", "--http-config", "/nowhere.yml"], 1, "cannot read /nowhere.yml"),
        (["http://127.0.0.1:1"], 2, "--once"),
        ([], 2, "URL"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fleet", *words]) == status
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "sesame" not in err
    assert "\n" not in err


def test_three_exporters_one_killed_one_off_and_one_an_hour_ahead(tmp_path: Path) -> None:
    need("prometheus")
    folders = [tmp_path / name for name in ("fine", "killed", "off", "ahead", "engine")]
    for folder in folders:
        folder.mkdir()
    with (
        running(folders[0], "fake:watched", "--listen", "0") as fine,
        running(folders[1], "fake:watched", "--listen", "0") as killed,
        running(folders[2], "fake:off", "--listen", "0") as off,
        running(folders[3], "fake:ahead", "--listen", "0") as ahead,
    ):
        hosts = {one.url().split("/")[2]: one for one in (fine, killed, off, ahead)}
        where = {one: name for name, one in hosts.items()}
        with prometheus(folders[4], list(hosts)) as server:
            client = Client(server.url)

            def states() -> Any:
                try:
                    found = ask(client, Wish(threshold=60))
                except SourceError:  # nothing was scraped yet
                    return {}
                return dict(zip(found.hosts.names, found.hosts.states, strict=True))

            wanted = {where[fine]: "ok", where[killed]: "ok", where[off]: "off", where[ahead]: "stale"}
            until(lambda: states() == wanted)
            found = ask(client, Wish(threshold=60))
            assert found.sums[""].total == 2 * (1 << 24)
            assert found.notes == ()
            killed.process.kill()
            killed.process.wait(20)
            # its series end with the scrape that fails; an hour has not passed since it was there, so it is gone
            until(lambda: where[killed] not in states())
            found = ask(client, Wish(threshold=60))
            assert found.sums[""].total == 1 << 24
            command = [sys.executable, "-m", "damontui", "fleet", server.url, "--idle", "60"]
            made = subprocess.run([*command, "--json"], capture_output=True, timeout=60, check=True)
            assert json.loads(made.stdout)["states"] == {"ok": 1, "off": 1, "stale": 1}
            made = subprocess.run([*command, "--once"], capture_output=True, timeout=60, check=True)
            assert b"1 of 3 hosts summed; not 1 off, 1 stale" in made.stdout
            server.process.kill()
            began = time.monotonic()
            done = subprocess.run([*command, "--json"], capture_output=True, timeout=60)
            assert done.returncode == 1
            assert done.stderr.count(b"\n") == 1
            assert time.monotonic() - began < 30
            client.close()
