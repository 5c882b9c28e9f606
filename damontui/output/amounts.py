"""An amount of memory and its interval, as JSON."""

from __future__ import annotations

from damontui.analysis.usage import Amount


def amount_object(amount: Amount, name: str = "") -> dict[str, int]:
    """``bytes``, ``least`` and ``most`` as whole numbers, keys beginning with ``name``."""
    shown = {"bytes": amount.bytes, "least": amount.least, "most": amount.most}
    return {f"{name}{key}": round(value) for key, value in shown.items()}
