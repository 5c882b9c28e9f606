"""One look after another, each asking only for what is not known yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from damontui.fleet.ask import Engine, ask_hosts
from damontui.fleet.model import Picture
from damontui.fleet.sums import ask_gone, ask_sums, with_gone
from damontui.fleet.wish import Wish

GONE_S = 60.0
"""Hosts that are gone are looked for this often, by the engine's clock: it must compare all hosts of four moments."""


class Looks:
    """What a screen asks, each time for the hosts first, and then for what takes the engine long."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gone: tuple[str, str, float, Mapping[tuple[str, str], str]] | None = None

    def pictures(self, wish: Wish, details: Iterable[str]) -> Iterator[Picture]:
        """The hosts, and then the same with their sums; ``details`` as for `ask_hosts`. Raises `SourceError`."""
        hosts = ask_hosts(self._engine, wish, details=details)
        gone = self._known(wish, hosts.time)
        if gone:
            hosts = hosts.with_hosts(with_gone(hosts.hosts, gone))
        yield hosts
        if gone is None:
            gone = ask_gone(self._engine, wish, hosts.time)
            self._gone = (wish.match, wish.by, hosts.time, gone)
        yield ask_sums(self._engine, wish, hosts, gone=gone)

    def _known(self, wish: Wish, now: float) -> Mapping[tuple[str, str], str] | None:
        if self._gone is None:
            return None
        match, by, then, gone = self._gone
        return gone if (match, by) == (wish.match, wish.by) and 0 <= now - then < GONE_S else None
