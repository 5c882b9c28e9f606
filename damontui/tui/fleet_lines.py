"""The fleet's screen as lines of named styles, made from a `Seen`."""

from __future__ import annotations

from collections.abc import Sequence

from damontui import units
from damontui.errors import UsageError
from damontui.fleet.model import BOUNDS, STATES, Buckets, FleetPicture, what_if
from damontui.fleet.ssh import FAR, USER, host_of
from damontui.fleet.words import QUANTILES, cell, hosts_words, quantile_words, states_words, what_if_words
from damontui.tui.draw import Line, Span, fit, sparkline, spread, to_ascii
from damontui.tui.fleet_seen import Seen

TYPING = " hosts with (enter keeps, esc drops it): "
"""What stands before a filter that is being typed."""
_COLUMNS = (
    ("idle", "idle", 10),
    ("free", "free", 10),
    ("working_set", "used 1 min", 11),
    ("total", "memory", 10),
    ("bandwidth", "bandwidth", 10),
    ("pressure", "pressure", 9),
    ("age", "age", 9),
)
_STYLES = {"ok": "live", "gone": "error", "off": "muted", "stale": "warn", "unknown": "warn"}
_KEYS = (
    ("s", "sort"),
    ("\\", "filter"),
    ("t", "state"),
    ("> <", "idle time"),
    ("K", "rule"),
    ("b", "labels"),
    ("enter", "host"),
    ("r", "now"),
    ("q", "quit"),
)


def draw(seen: Seen, width: int, height: int) -> list[Line]:
    """The whole screen, exactly ``height`` lines."""
    if width < 20 or height < 6:
        return [fit((("too small", "warn"),), width)] * height
    lines = [_title(seen, width), _notice(seen)]
    picture = seen.picture
    if picture is None:
        lines.append((("  waiting for the engine's first answer" if not seen.error else "", "muted"),))
    elif seen.opened is not None and seen.opened < len(picture.hosts):
        lines += _host(seen, picture, seen.opened, width, height - 3)
    else:
        lines += _percentiles(seen, picture, width, height)
        room = height - len(lines) - 1
        lines += _labels(seen, picture, width, room) if seen.groups else table(seen, picture, width, room)
    lines = [*lines[: height - 1], *[()] * (height - 1 - len(lines)), _foot(seen)]
    lines = [fit(line, width) for line in lines]
    return [to_ascii(line) for line in lines] if seen.ascii else lines


def _title(seen: Seen, width: int) -> Line:
    state: Span = ("● ", "live")
    if seen.error:
        state = ("✖ ", "error")
    elif seen.picture is None or seen.asking:
        state = ("○ ", "muted")
    right: list[Span] = []
    if seen.picture is not None:
        right = [
            (f"idle {units.span(seen.picture.threshold)} · {seen.picture.rule} · ", "muted"),
            *_age(seen),
            (" ", ""),
        ]
    return spread((state, ("fleet ", "strong"), (seen.url, "label")), right, width)


def _age(seen: Seen) -> list[Span]:
    old = seen.since > 3 * seen.every
    return [(f"{units.duration(seen.since)} ago" if seen.since >= 1 else "now", "warn" if old else "muted")]


def _notice(seen: Seen) -> Line:
    if seen.command:
        return (("  run ", "warn"), (seen.command, "key"))
    if seen.said:
        return ((f"  {seen.said}", "error"),)
    if seen.error:
        kept = "; this is what was known before" if seen.picture is not None else ""
        return ((f"  {seen.error}{kept}", "error"),)
    if seen.picture is None:
        return ()
    notes = "".join(f" · {one}" for one in seen.picture.notes)
    return ((f"  {states_words(seen.picture)}", "label"), (notes, "warn"))


def _percentiles(seen: Seen, picture: FleetPicture, width: int, height: int) -> list[Line]:
    could = what_if(picture)
    lines: list[Line] = [((f"  {what_if_words(could)}", "strong"),)]
    everything = picture.sums.get("")
    if everything is None:
        why = "no host's memory can be summed" if picture.whole else "summing what all hosts hold"
        return [*lines, ((f"  {why}", "muted"),), ()]
    if height < 16:
        words = ", ".join(f"p{share * 100:g} {quantile_words(everything, share)}" for share in QUANTILES)
        return [*lines, ((f"  {words}", "value"),), ()]
    room = max(0, min(60, width - 32))
    for share in QUANTILES:
        line: list[Span] = [
            (f"  p{share * 100:g}".ljust(7), "muted"),
            (quantile_words(everything, share).rjust(14), "value"),
            ("  ", ""),
        ]
        line += [(_spark(seen.trend.sums, share, room, ascii=seen.ascii), "idle")]
        lines.append(tuple(line))
    if seen.trend.times:
        span = units.span(round(seen.trend.times[-1] - seen.trend.times[0]))
        how = "recorded" if seen.trend.recorded else "summed by the engine; the recording rules make this cheap"
        lines.append(((f"{'':23}over {span}, {how}", "muted"),))
    return [*lines, ()]


def _spark(sums: Sequence[Buckets], share: float, room: int, *, ascii: bool) -> str:
    """An idle percentile over time, logarithmic from a second to four hours."""
    if not sums or room <= 0:
        return ""
    # each moment as often as it takes to fill the room
    values = [sums[at * len(sums) // room].quantile(share) for at in range(room)]
    return sparkline(values, 1, 1.0, float(BOUNDS[-1]), log=True, ascii=ascii)[0]


def table(seen: Seen, picture: FleetPicture, width: int, height: int) -> list[Line]:
    """The hosts around the cursor, below a header, in ``height`` lines of ``width`` columns."""
    if height < 2:
        return []
    hosts, columns, by = picture.hosts, list(_COLUMNS), 12 if seen.by else 0
    while columns and 24 + 8 + by + sum(room for _, _, room in columns) > width:
        columns.pop()
    name_room = width - 2 - 8 - by - sum(room for _, _, room in columns)
    mark = "▼" if seen.view.descending else "▲"

    def head(name: str, text: str, room: int) -> Span:
        chosen = name == seen.view.sort
        text = f"{text}{mark}" if chosen else text
        return (text.rjust(room) if room > 0 else text.ljust(-room), "label" if chosen else "muted")

    lines: list[Line] = [
        (
            ("  ", ""),
            head("name", "host", -name_room),
            *([head("group", seen.by[:10], -by)] if by else []),
            head("state", "state", -8),
            *(head(name, text, room) for name, text, room in columns),
        )
    ]
    room = height - 2
    top = max(0, min(seen.cursor - room // 2, len(seen.order) - room))
    for place in range(top, min(top + room, len(seen.order))):
        at = seen.order[place]
        here = place == seen.cursor
        state = hosts.states[at]
        spans: list[Span] = [("▶ " if here else "  ", "strong")]
        spans += fit(((hosts.names[at], "bar"),), name_room - 1)
        spans.append((" ", ""))
        if by:
            spans += [*fit(((hosts.groups[at], "label"),), by - 1), (" ", "")]
        spans.append((state.ljust(8), _STYLES.get(state, "label")))
        for name, _, wide in columns:
            style = "idle" if name in ("idle", "free") else "value"
            spans.append((cell(name, float(hosts.columns[name][at])).rjust(wide), style))
        lines.append(tuple((text, "chosen") for text, _ in spans) if here else tuple(spans))
    if not seen.order:
        lines.append((("  no host fits", "warn"),))
    lines += [()] * (height - 1 - len(lines))
    lines.append(((f"  {_listed(seen, picture)}", "muted"),))
    return lines


def _listed(seen: Seen, picture: FleetPicture) -> str:
    words = hosts_words(len(seen.order))
    if len(seen.order) != len(picture.hosts):
        words += f" of {len(picture.hosts):,}"
    if seen.view.state:
        words += f" · {seen.view.state}: {STATES[seen.view.state]}"
    if seen.view.wanted:
        words += f" · with {seen.view.wanted!r}"
    return words


def _labels(seen: Seen, picture: FleetPicture, width: int, height: int) -> list[Line]:
    """Percentiles by the value of a label, the most memory first."""
    groups = sorted(((one.total, name) for name, one in picture.sums.items() if name), reverse=True)
    if not groups:
        how = "no host has it" if seen.by else "none was named: damontui fleet URL --by LABEL"
        return [((f"  percentiles by {seen.by or 'label'}: {how}", "muted"),)]
    wide = max(12, min(30, width - 12 * (len(QUANTILES) + 1) - 4))
    head = f"  {seen.by.ljust(wide)}" + "".join(f"p{share * 100:g}".rjust(12) for share in QUANTILES)
    lines: list[Line] = [((f"{head}{'memory':>11}", "muted"),)]
    for total, name in groups[: height - 2]:
        cells = "".join(quantile_words(picture.sums[name], share).rjust(12) for share in QUANTILES)
        lines.append(
            (("  ", ""), *fit(((name, "bar"),), wide), (cells, "value"), (units.size(total).rjust(11), "label"))
        )
    left = len(groups) - (height - 2)
    return [*lines, ((f"  and {left} more", "muted"),)] if left > 0 else lines


def _host(seen: Seen, picture: FleetPicture, at: int, width: int, height: int) -> list[Line]:
    """One host: its numbers, its past, and how to see it live."""
    hosts = picture.hosts
    state = hosts.states[at]
    lines: list[Line] = [
        (("  ", ""), (hosts.names[at], "strong"), (f"  job {hosts.jobs[at]}", "muted")),
        ((f"  {state}", _STYLES.get(state, "label")), (f": {STATES[state]}", "muted")),
        (),
    ]
    for name, text, _ in (*_COLUMNS, ("watched", "watched", 0), ("interval", "aggregation", 0)):
        value = cell(name, float(hosts.columns[name][at])) or "not known"
        lines.append(((f"  {text:<14}", "muted"), (value, "value")))
    lines.append(())
    room = max(0, min(60, width - 32))
    for share in QUANTILES:
        line: list[Span] = [(f"  p{share * 100:g}".ljust(7), "muted")]
        last = seen.history.sums[-1] if seen.history.sums else None
        line.append(((quantile_words(last, share) if last is not None else "-").rjust(14), "value"))
        line += [("  ", ""), (_spark(seen.history.sums, share, room, ascii=seen.ascii), "idle")]
        lines.append(tuple(line))
    lines += [(), _live(hosts.names[at])]
    return lines[:height]


def _live(instance: str) -> Line:
    """The command that shows a machine live, to copy."""
    try:
        name = host_of(instance)
    except UsageError as error:
        return ((f"  live: {error}", "muted"),)
    return (("  live: ", "muted"), (f"ssh {USER}@{name} {FAR} | damontui -", "key"), ("   L runs it here", "muted"))


def _foot(seen: Seen) -> Line:
    if seen.typing:
        return ((TYPING, "label"),)
    spans: list[Span] = []
    keys: tuple[tuple[str, str], ...] = _KEYS
    if seen.opened is not None:
        keys = (("esc", "back"), ("L", "live by ssh"), ("q", "quit"))
    if seen.command:
        keys = (("enter", "runs it, and its screen takes this one's place"), ("esc", "no"))
    for key, text in keys:
        spans += [(f" {key} ", "key"), (f"{text} ", "label")]
    return tuple(spans)
