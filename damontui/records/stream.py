"""A record that comes through a pipe: the same gzip members, decoded as they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from damontui.damon.snapshot import Description, Snapshot
from damontui.errors import DamontuiError, SourceError
from damontui.records.own import MOST, Record, _description

_MOST_PENDING = MOST + (1 << 20)
"""Bytes without one whole member, at most: packing may lengthen what cannot be packed, but not by a megabyte."""


class RecordStream(Record):
    """Takes bytes in and gives the snapshots that are whole; keeps no more than the member that is under way.

    Args:
        name: what errors call the stream.
    """

    def __init__(self, name: str) -> None:
        # nothing of a file's: no map of it, and no places to go back to
        self.path = Path(name)
        self.times = []
        self._places = []
        self._scanned = self._touched = 0
        self._data = b""
        self._memory = 2 * MOST
        self._known: Description | None = None
        self._missed: tuple[str, ...] = ()

    @property
    def known(self) -> Description | None:
        """The description of the stream's source; None until its first member has come."""
        return self._known

    def feed(self, data: bytes) -> list[Snapshot]:
        """Take in the next bytes, and return the snapshots that they complete.

        Where damaged snapshots were left out, the next one's note says so.

        Raises:
            SourceError: the stream is no record of damontui's.
        """
        self._data = bytes(self._data) + data
        found: list[Snapshot] = []
        while (place := self._next()) is not None:
            if self._known is None:
                self._begin(self._unpack(place))
                continue
            self._places = [place]
            table = self.table()
            self._missed += table.notes
            for snapshot in table:
                found.append(replace(snapshot, note="; ".join(filter(None, (snapshot.note, *self._missed)))))
                self._missed = ()
        self._places = []
        self._data, self._scanned = self._data[self._scanned :], 0
        if len(self._data) > _MOST_PENDING or (self._known is None and len(self._data) > 1 << 20):
            raise self._refusal()
        return found

    def end(self) -> None:
        """Take note that nothing more comes. Raises `SourceError` where not even the beginning of a record came."""
        if self._known is None:
            raise self._refusal()

    def close(self) -> None:
        """Forget what is pending."""
        self._data = b""

    def _begin(self, header: bytes | None) -> None:
        try:
            if header is None:
                raise ValueError
            self._known = self.description = _description(header)
        except (ValueError, TypeError, KeyError, OverflowError, DamontuiError):
            raise self._refusal() from None

    def _refusal(self) -> SourceError:
        why = "it is not a damontui record" if self._data or self._known else "nothing came through it"
        return SourceError(f"cannot read {self.path}", why, "write one into it: damontui record … -o -")
