"""One look at the fleet after another, each of which asks only for what is not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from damontui.fleet.ask import Engine, ask_hosts
from damontui.fleet.model import FleetPicture
from damontui.fleet.sums import Added, add_up, ask_gone, ask_sums, few_left_out, with_gone
from damontui.fleet.wish import Wish

GONE_S = 60.0
"""Seconds between two searches for hosts that are gone, for which the engine must compare all hosts of four moments."""


class Looks:
    """Asks for a screen: at each look for the hosts first, and then for the sums, which take the engine long.

    From the second look on the engine adds up while the answer on hosts is taken apart. The first look does not, so
    that its hosts are shown sooner.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gone: tuple[str, str, float, Mapping[tuple[str, str], str]] | None = None
        self._before: FleetPicture | None = None

    def pictures(self, wish: Wish, details: Iterable[str]) -> Iterator[FleetPicture]:
        """A picture of the hosts, and then one with their sums; ``details`` as for `ask_hosts`. Raises
        `SourceError`."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="sums")
        try:
            at, added = None, None
            if self._before is not None and few_left_out(self._before):
                at = self._moment()
            if at is not None:
                added = pool.submit(add_up, self._engine, wish, at).result
            yield from self._pictures(wish, details, at, added)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _moment(self) -> float | None:
        """The engine's now, seconds since 1970."""
        found = self._engine.instant("vector(time())")
        return found[0].points[0][0] if found else None

    def _pictures(
        self, wish: Wish, details: Iterable[str], at: float | None, added: Callable[[], Added] | None
    ) -> Iterator[FleetPicture]:
        hosts = ask_hosts(self._engine, wish, at, details=details)
        gone = self._known(wish, hosts.time)
        if gone:
            hosts = hosts.with_hosts(with_gone(hosts.hosts, gone))
        yield hosts
        if gone is None:
            gone = ask_gone(self._engine, wish, hosts.time)
            self._gone = (wish.match, wish.by, hosts.time, gone)
        self._before = ask_sums(self._engine, wish, hosts, gone=gone, added=added)
        yield self._before

    def _known(self, wish: Wish, now: float) -> Mapping[tuple[str, str], str] | None:
        if self._gone is None:
            return None
        match, by, then, gone = self._gone
        return gone if (match, by) == (wish.match, wish.by) and 0 <= now - then < GONE_S else None
