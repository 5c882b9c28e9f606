"""Hosts whose clocks jump, that are restarted, killed and off, under a real Prometheus: told apart, never summed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from damontui.commands.fleet import template
from damontui.errors import SourceError
from damontui.fleet.client import Client
from damontui.fleet.model import FleetPicture
from damontui.fleet.sums import ask, history
from damontui.fleet.wish import RECORDED, Wish
from damontui.tui.fleet import FleetApp, FleetPane
from tests.commands.test_export import Running, running
from tests.prometheus import Prometheus, free_port, need, prometheus, until

HOST = 1 << 24
"""Bytes of each."""
WATCHED = 3600.0


class Host:
    """An exporter with a port of its own, whose wall clock and time of watching are set while it runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.running: Running | None = None

    def set(self, ahead: float = 0.0, watched: float = WATCHED) -> None:
        """How many seconds its clock is ahead, and for how long it says to have watched; exchanged as a whole."""
        new = self.folder / "new"
        new.write_text(f"{ahead} {watched}")
        os.replace(new, self.folder / "log.set")

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """While it runs."""
        with running(self.folder, "fake:set", "--listen", self.address) as made:
            made.url()
            self.running = made
            yield

    def kill(self) -> None:
        assert self.running is not None
        self.running.process.kill()
        self.running.process.wait(20)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Prometheus, Host, Host]]:
    """A Prometheus with the recording rules over one host that is fine, one that is off and one that is set."""
    need("prometheus")
    fine, jumping = Host(tmp_path / "fine"), Host(tmp_path / "jumping")
    (tmp_path / "off").mkdir()
    (tmp_path / "engine").mkdir()
    fine.set()
    jumping.set()
    rules = tmp_path / "damontui.rules.yml"
    rules.write_text(template("damontui.rules.yml"))
    with fine.up(), running(tmp_path / "off", "fake:off", "--listen", "0") as off:
        targets = [fine.address, jumping.address, off.url().split("/")[2]]
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{rules}]\n"
            f"scrape_configs: [{{job_name: damon, static_configs: [{{targets: {json.dumps(targets)}}}]}}]\n"
        )
        with prometheus(tmp_path / "engine", config=config) as server:
            yield server, fine, jumping


def state(picture: FleetPicture, host: Host) -> str:
    hosts = picture.hosts
    return dict(zip(hosts.names, hosts.states, strict=True)).get(host.address, "")


def age(picture: FleetPicture, host: Host) -> float:
    return float(picture.hosts.columns["age"][picture.hosts.names.index(host.address)])


def once(client: Client, host: Host, wanted: str, at: float | None = None) -> FleetPicture:
    """A look, once a host is in a state; whatever it is, what is summed is the hosts that are ok, and none other."""

    def look() -> Any:
        try:
            found = ask(client, Wish(), at)
        except SourceError:
            return None
        return found if state(found, host) == wanted else None

    found: FleetPicture = until(look)
    return found


def test_a_host_whose_clock_jumps_is_told_by_its_age_and_never_summed(hosts: tuple[Prometheus, Host, Host]) -> None:
    server, fine, jumping = hosts
    client = Client(server.url)

    def recorded(bytes_: int) -> None:
        """What the rule says comes to this, a second later at most."""
        query = f'{RECORDED}{{rule="estimate",le="+Inf"}}'
        until(lambda: server.query(query) == {"le=+Inf,rule=estimate,threshold=900": float(bytes_)})

    with jumping.up():
        once(client, jumping, "ok")
        once(client, fine, "ok")
        recorded(2 * HOST)
        for ahead, shown in (
            (3600.0, ("-59:5", "-1:00:0")),
            (-7200.0, ("2:00:0",)),
            (1e8, ("-1157 d",)),
            (-1e9, ("11574 d",)),
        ):
            jumping.set(ahead)
            found = once(client, jumping, "stale")
            until(lambda: abs(age(ask(client, Wish()), jumping) + ahead) < 15)  # noqa: B023 - called here only
            recorded(HOST)
            found = ask(client, Wish(match='job="damon"'))  # asked, not recorded
            assert found.sums[""].total == HOST
            assert found.notes == ()
            text = screen(found)
            assert "1 of 3 hosts summed; not 1 off, 1 stale" in text
            assert any(one in text for one in shown), text
        jumping.set()
        assert once(client, jumping, "ok").counted == {"ok": 2, "off": 1}
        recorded(2 * HOST)
        alive = time.time()
        jumping.kill()
        found = once(client, jumping, "")  # its series end with the first scrape that fails
        assert found.counted == {"ok": 1, "off": 1}
        recorded(HOST)
        # two minutes after it was there it is one of those that were
        later = once(client, jumping, "gone", alive + 120)
        assert later.counted == {"ok": 1, "gone": 1, "off": 1}
        assert later.sums[""].total == HOST
    began = time.time()
    jumping.set(ahead=-400.0, watched=2.0)
    with jumping.up():  # restarted with another clock
        assert once(client, jumping, "stale").sums[""].total == HOST
        jumping.set(watched=3.0)
        assert once(client, jumping, "new").sums[""].total == HOST
        recorded(HOST)
        jumping.set()
        found = once(client, jumping, "ok")
        recorded(2 * HOST)
        # its past has a gap, and no moment in it has bytes that were not there
        at = found.hosts.names.index(jumping.address)
        past = history(client, Wish(), found.hosts, at, found.time, found.time - began + 30)
        assert {one.total for one in past.sums} == {float(HOST)}
        past_of_all = client.over(f'{RECORDED}{{rule="estimate",le="+Inf"}}', began - 30, found.time, 1.0)
        assert {value for one in past_of_all for _, value in one.points} <= {float(HOST), 2.0 * HOST}
    client.close()


def screen(picture: FleetPicture) -> str:
    """The screen with a picture."""
    app = FleetApp("http://engine", Wish(), clock=lambda: 0.0)
    app.feed(picture)

    async def play() -> str:
        async with app.run_test(size=(120, 24)) as pilot:
            await pilot.pause()
            return app.query_one(FleetPane).text()

    return asyncio.run(play())
