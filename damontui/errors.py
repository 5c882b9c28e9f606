"""One family of errors for what the world does: one sentence, shown alike by the command line and the screen."""

from __future__ import annotations


class DamontuiError(Exception):
    """Something to tell the user in one line; never shown as a traceback."""

    status = 1
    """The exit status of a program that ends with it."""


class UsageError(DamontuiError):
    """A wrong option, value or file in the command line or the configuration."""

    status = 2


class SourceError(DamontuiError):
    """The system said no.

    Args:
        what: what failed, as a clause: ``"cannot read DAMON_STAT"``.
        why: why it failed: ``"only root may read it"``.
        remedy: what to do next, with the exact command where there is one: ``"run: sudo /usr/bin/damontui stat"``.
        offer: what the program itself can do about it on a key press; ``"take"`` switches DAMON_STAT off for the time
            being; "" for nothing.
    """

    def __init__(self, what: str, why: str, remedy: str = "", *, offer: str = "") -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.offer = offer

    def __str__(self) -> str:
        sentence = f"{self.what}: {self.why}"
        return f"{sentence}; {self.remedy}" if self.remedy else sentence
