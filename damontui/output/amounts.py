"""An amount of memory and its interval, as JSON."""

from __future__ import annotations

from damontui.analysis.estimate import Interval
from damontui.analysis.usage import Amount


def amount_object(amount: Amount | Interval, name: str = "") -> dict[str, int]:
    """``bytes``, ``least`` and ``most`` as whole numbers, keys beginning with ``name``."""
    middle = amount.found if isinstance(amount, Interval) else amount.bytes
    shown = {"bytes": middle, "least": amount.least, "most": amount.most}
    return {f"{name}{key}": round(value) for key, value in shown.items()}
