"""Whose memory it is, as JSON and as a table of text: the same rows as on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from damontui import units
from damontui.analysis import owners as whose
from damontui.analysis.estimate import Estimate
from damontui.analysis.owners import OwnerRow, Ownership, ownership, whole_bytes
from damontui.damon.snapshot import Snapshot
from damontui.output.amounts import amount_object
from damontui.phrases import deleted, row_name, with_half
from damontui.safe_text import shown

ROWS = 12
"""Groups that the text lists."""
_NAME = 26
_KINDS = {"anon": ("anon", "shmem"), "file": ("file",)}


def owners_object(snapshot: Snapshot, estimate: Estimate | None = None) -> dict[str, Any]:
    """The keys ``owners`` and ``zones`` of a snapshot's JSON object; {} where it is not known whose memory it is.

    ``bytes`` of all owners add up to ``total_bytes`` exactly. ``cgroup`` is null for the rows that are no group;
    ``what`` then tells which row it is: ``kernel`` (charged to none), ``elsewhere`` (to groups that cannot be seen),
    ``others`` (``members`` small groups), ``free``, ``hole`` (no memory).
    """
    found = ownership(snapshot, estimate)
    if found is None:
        return {}
    return {"owners": _objects(found.rows, "cgroup"), "zones": _objects(found.zones, "zone")}


def _objects(rows: Sequence[OwnerRow], key: str) -> list[dict[str, Any]]:
    exact = whole_bytes(row.bytes.bytes for row in rows)
    return [_object(row, key, held) for row, held in zip(rows, exact, strict=True)]


def _object(row: OwnerRow, key: str, held: int) -> dict[str, Any]:
    found: dict[str, Any] = {key: row.path or None}
    if key == "cgroup":
        found |= {"what": row.what, "name": row_name(row), "members": row.members}
    found |= {
        "bytes": held,
        "least": min(held, round(row.bytes.least)),
        "most": max(held, round(row.bytes.most)),
        "frames": row.frames,
        "kinds": {kind: round(size) for kind, size in row.kinds.items()},
        "idle": [{"seconds": seconds, **amount_object(amount)} for seconds, amount in row.idle],
    }
    if key == "cgroup":
        group = row.group
        found |= {
            "current": group.current if group else None,
            "max": group.max if group else None,
            "high": group.high if group else None,
            "swap": group.swap if group else None,
            "kubelet_working_set": group.working_set if group else None,
            "deleted_below": group.dying if group else 0,
            "gone": bool(group and group.gone),
        }
    return found


def owners_table(snapshot: Snapshot, estimate: Estimate | None, seconds: float, rows: int = ROWS) -> list[str]:
    """Lines of a table: the largest groups, the owners that are no group, and a note; [] where nothing is known.

    Args:
        snapshot: of physical memory.
        estimate: the estimate of that moment.
        seconds: the time after which memory is idle; where memory was watched for less, the longest time known.
        rows: groups to list; of the others only the number is told.
    """
    found = ownership(snapshot, estimate)
    if found is None:
        return []
    within = max((one for one in found.seconds if one <= seconds), default=None)
    idle = f"idle ≥ {units.span(within)}" if within else "idle"
    head = f"{'whose memory':<{_NAME}}{'has (95 %)':>16}{idle:>17}{'anon':>6}{'file':>6}{'limit':>9}"
    groups = [row for row in found.rows if row.what == whose.GROUP]
    lines = [head]
    lines += [_line(row, within) for row in groups[:rows]]
    if len(groups) > rows:
        left = sum(row.bytes.bytes for row in groups[rows:])
        lines.append(f"{f'{len(groups) - rows} more groups':<{_NAME}}{units.size(left):>16}")
    lines += [_line(row, within) for row in found.rows if row.what != whose.GROUP]
    lines.append(_basis(found, snapshot))
    return lines


def _line(row: OwnerRow, within: float | None) -> str:
    idle = row.idle_for(within) if within is not None and row.what not in whose.EMPTY else None
    group = row.group
    mark = deleted(row)
    name = shown(row_name(row))
    name = name if len(name) < _NAME else f"{name[: _NAME - 2]}…"
    cells = [f"{name:<{_NAME}}", f"{with_half(row.bytes):>16}", f"{with_half(idle) if idle is not None else '':>17}"]
    for kinds in _KINDS.values():
        held = sum(row.kinds.get(kind, 0.0) for kind in kinds) / max(row.bytes.bytes, 1.0)
        cells.append(f"{f'{held:.0%}' if held else '':>6}")
    limit = units.size(group.max) if group is not None and group.max is not None else ""
    cells.append(f"{limit:>9}")
    return "".join(cells).rstrip() + (f"  {mark}" if mark else "")


def _basis(found: Ownership, snapshot: Snapshot) -> str:
    cpu = snapshot.owners.cpu if snapshot.owners is not None else 0.0
    note = f"; {shown(found.note)}" if found.note else ""
    return f"{found.drawn} frames drawn, at {units.share(cpu)} of one CPU{note}"
