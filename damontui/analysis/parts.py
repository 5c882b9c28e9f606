"""Sums over parts of the time watched, all about as long: two of them become one where they are too many."""

from __future__ import annotations

from typing import Generic, Protocol, Self, TypeVar


class Adds(Protocol):
    """What can be added to its like, without being changed by it."""

    def __add__(self, other: Self, /) -> Self:
        """The sum of both."""


T = TypeVar("T", bound=Adds)


class Parts(Generic[T]):
    """The sums, oldest first.

    Args:
        most: half the number of sums that are kept at most.
    """

    def __init__(self, most: int) -> None:
        self.sums: list[T] = []
        self._most = most
        self._each = 1
        self._open = 0
        """How many of the ``_each`` additions that make up a sum the newest one has."""

    def add(self, one: T) -> None:
        """Add the next value."""
        if self._open and self._open < self._each:
            self.sums[-1] = self.sums[-1] + one
        else:
            self.sums.append(one)
            self._open = 0
        self._open += 1
        if len(self.sums) > 2 * self._most:
            pairs = (self.sums[at : at + 2] for at in range(0, len(self.sums), 2))
            self.sums = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
            self._each *= 2  # one more than an even number of parts: the newest stands alone, as open as it was

    def add_to_last(self, more: T) -> None:
        """Add what belongs to the value that was added last."""
        self.sums[-1] = self.sums[-1] + more

    def copy(self) -> Parts[T]:
        """Another that goes its own way."""
        made: Parts[T] = Parts(self._most)
        made.sums, made._each, made._open = list(self.sums), self._each, self._open
        return made
