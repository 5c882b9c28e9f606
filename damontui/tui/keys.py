"""Every key of the program in one table: it makes the bindings, the line at the foot and the help page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from damontui.errors import UsageError
from damontui.tui.explore import WISHES


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it does.

    Attributes:
        id: its name in a user's keymap.
        keys: default keys, comma separated, as Textual names them.
        action: a wish that `Explorer.do` knows, else what is called on the app.
        label: in the line at the foot; "" keeps it out.
        help: on the help page; one that begins with ``…`` goes on in the row before it.
        group: the help page's heading; the keys of one group stand together in `TABLE`.
    """

    id: str
    keys: str
    action: str
    label: str
    help: str
    group: str

    @property
    def call(self) -> str:
        """The action as Textual is given it."""
        return f"wish({self.action!r})" if self.action.partition("(")[0] in WISHES else self.action


TABLE: tuple[Key, ...] = (
    Key("switch", "e", "switch", "switch", "turn monitoring off and on; after an error: start afresh", "Monitoring"),
    Key(
        "pause",
        "space",
        "pause",
        "pause",
        "pause the view, collecting goes on; again: back to live; a record: play and pause",
        "Monitoring",
    ),
    Key("target", "t", "target", "target", "another target: what there is, and why some of it is not", "Monitoring"),
    Key(
        "take",
        "T",
        "take",
        "",
        "a closer look than DAMON_STAT's, or what it is in the way of: it is off meanwhile, and given back",
        "Monitoring",
    ),
    Key("earlier", "left", "time(-1)", "time", "back in time: all panes show that moment", "Time"),
    Key("later", "right", "time(1)", "", "… , forward", "Time"),
    Key("leap_back", "shift+left", "leap(-1)", "", "back by a tenth of the picture", "Time"),
    Key("leap_on", "shift+right", "leap(1)", "", "… , forward", "Time"),
    Key("oldest", "home", "oldest", "", "the oldest that is kept", "Time"),
    Key("live", "end", "live", "", "back to live, or to the end of a record", "Time"),
    Key("faster", "right_square_bracket", "pace(1)", "", "play a record faster", "Time"),
    Key("slower", "left_square_bracket", "pace(-1)", "", "… , slower", "Time"),
    Key("clock", "g", "clock", "", "to a time of day, such as 14:05, or -2m", "Time"),
    Key("span_longer", "plus,equals_sign", "span(1)", "span", "more time in one picture", "Time"),
    Key("span_shorter", "minus", "span(-1)", "", "… , less time", "Time"),
    Key("search", "slash", "search", "", "to a name or an address, such as heap or 0x7f12; again: the next", "Memory"),
    Key(
        "hotter",
        "n",
        "hotter(1)",
        "hottest",
        "the cursor on the region with most touched bytes; again: the next",
        "Memory",
    ),
    Key("colder", "N", "hotter(-1)", "", "… , less hot", "Memory"),
    Key("up", "up", "move(1)", "", "the cursor up (in the list too)", "Memory"),
    Key("down", "down", "move(-1)", "", "… , down", "Memory"),
    Key("region", "enter", "region", "", "the region under the cursor, large", "Memory"),
    Key("zoom_in", "z", "zoom(0.25)", "", "fewer addresses, around the cursor (or the mouse wheel)", "Memory"),
    Key("zoom_out", "Z", "zoom(4)", "", "… , more", "Memory"),
    Key("whole", "0,backspace", "whole", "", "all addresses", "Memory"),
    Key("fold", "f", "fold", "", "fold idle stretches to a line each", "Memory"),
    Key("hottest", "m", "hottest", "", "a cell is the mean of what it covers, or the hottest", "Memory"),
    Key("copy", "y", "copy", "", "copy what is under the cursor as text", "Memory"),
    Key("list", "l", "list", "list", "list the regions", "Memory"),
    Key("holders", "o", "by_owner", "", "who holds it: memory by name, the most idle first", "Memory"),
    Key("owners", "O", "owners", "", "whose it is: control groups, by kind and idle time", "Memory"),
    Key("sort", "s", "sort", "", "sort the list by the next column", "Memory"),
    Key("reverse", "S", "reverse", "", "… , the other way round", "Memory"),
    Key("filter", "backslash", "filter", "", "list only some, such as heap, size>64M, idle>1m", "Memory"),
    Key("savings", "v", "savings", "savings", "what could be saved, or the idle times", "Savings"),
    Key("threshold_longer", "greater_than_sign", "threshold(1)", "", "idle counts after a longer time", "Savings"),
    Key("threshold_shorter", "less_than_sign", "threshold(-1)", "", "… , a shorter one", "Savings"),
    Key("colour", "c", "colour", "colour", "what the colour means: rate, temperature, idle age, estimate", "View"),
    Key("pressure", "w", "pressure", "", "pressure under the heatmap: waits for memory; then all; then none", "View"),
    Key("percentiles", "p,a", "percentiles", "percentiles", "11 idle time percentiles, or all 101", "View"),
    Key("rule", "K", "rule", "", "idle times as estimated, or by the kernel's own rule", "View"),
    Key("regions", "1", "maximise('regions')", "", "regions alone (again: all panes)", "Panes"),
    Key("intervals", "2", "maximise('intervals')", "", "… , intervals", "Panes"),
    Key("bandwidth", "3", "maximise('bandwidth')", "", "… , bandwidth", "Panes"),
    Key("idle", "4", "maximise('idle')", "", "… , idle time", "Panes"),
    Key("output", "5", "maximise('output')", "", "… , what the command prints (damontui run)", "Panes"),
    Key("restore", "escape", "restore", "", "all panes again; put a message, the list, the cursor away", "Panes"),
    Key("several", "P", "several", "", "several processes as a table (esc, too, where nothing else is open)", "Panes"),
    Key("messages", "i", "messages", "", "bring the messages back that esc has put away", "Panes"),
    Key("last", "G", "last", "", "the last row of the list (home and end, too, where it is open)", "Panes"),
    Key("scroll_up", "k", "scroll_rows(-1)", "", "a row up: the list, all percentiles", "Panes"),
    Key("scroll_down", "j", "scroll_rows(1)", "", "… , down", "Panes"),
    Key("page_up", "pageup", "scroll_rows(-10)", "", "ten rows up: the list, all percentiles", "Panes"),
    Key("page_down", "pagedown", "scroll_rows(10)", "", "… , down", "Panes"),
    Key(
        "record",
        "r",
        "record",
        "",
        "record what comes in to a file, where the screenshots go; again: end",
        "Program",
    ),
    Key("screenshot", "ctrl+s", "shot", "", "write the screen to an SVG file", "Program"),
    Key("help", "question_mark,f1", "help", "help", "this page", "Program"),
    Key("palette", "ctrl+p", "command_palette", "", "command palette: all commands, themes", "Program"),
    Key("suspend", "ctrl+z", "suspend_process", "", "back to the shell; fg comes back here", "Program"),
    Key("quit", "q", "quit", "quit", "leave; the system is left as it was found", "Program"),
    Key("interrupt", "ctrl+c", "interrupt", "", "… ; the exit status is then 130", "Program"),
)

VERBS: Mapping[str, str] = {
    "several": "Show several processes as a table",
    "switch": "Switch monitoring off or on",
    "pause": "Pause, or go on",
    "target": "Choose another target",
    "take": "Take DAMON from DAMON_STAT",
    "earlier": "Go back in time",
    "later": "Go forward in time",
    "leap_back": "Go back by a tenth of the picture",
    "leap_on": "Go forward by a tenth of the picture",
    "oldest": "Go to the oldest moment",
    "live": "Go to the newest moment",
    "faster": "Play faster",
    "slower": "Play slower",
    "clock": "Go to a time",
    "search": "Search for a name or an address",
    "span_longer": "Show more time",
    "span_shorter": "Show less time",
    "hotter": "Find the hottest region",
    "colder": "Find a less hot region",
    "up": "Move the cursor up",
    "down": "Move the cursor down",
    "region": "Show the region under the cursor large",
    "zoom_in": "Show fewer addresses",
    "zoom_out": "Show more addresses",
    "whole": "Show all addresses",
    "fold": "Fold idle stretches",
    "hottest": "Show the mean or the hottest of a cell",
    "copy": "Copy what is under the cursor",
    "list": "List the regions",
    "holders": "List who holds memory",
    "owners": "Show whose memory it is",
    "sort": "Sort the list by the next column",
    "reverse": "Reverse the list",
    "filter": "Filter the list",
    "savings": "Show what could be saved",
    "threshold_longer": "Count memory as idle later",
    "threshold_shorter": "Count memory as idle sooner",
    "colour": "Change what the colour means",
    "pressure": "Show pressure on memory under the heatmap",
    "rule": "Show idle times as estimated or by the kernel's rule",
    "percentiles": "Show 11 percentiles or all 101",
    "regions": "Show the regions alone",
    "intervals": "Show the intervals alone",
    "bandwidth": "Show the bandwidth alone",
    "idle": "Show the idle times alone",
    "output": "Show the command's output alone",
    "restore": "Show all panes",
    "messages": "Bring messages back",
    "last": "Go to the end of the list",
    "record": "Record to a file, or end it",
    "screenshot": "Save the screen as a picture",
    "help": "Show the help",
    "suspend": "Suspend to the shell",
    "quit": "Quit",
    "interrupt": "Interrupt",
}
"""What the palette calls each key, by its id."""
NOT_IN_PALETTE = frozenset({"scroll_up", "scroll_down", "page_up", "page_down", "palette"})
"""The ids of the keys that are of no use in the palette. Each key has a verb or stands here; a test holds to that."""

_FORMER = {"freeze": "pause"}
"""Names that keymaps may still have."""
_SHOWN = {
    "question_mark": "?",
    "comma": ",",
    "plus": "+",
    "minus": "−",
    "equals_sign": "=",
    "escape": "esc",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "page up",
    "pagedown": "page down",
    "slash": "/",
    "backslash": "\\",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "shift+left": "shift+←",
    "shift+right": "shift+→",
}
_NAMES = {
    "+": "plus",
    "-": "minus",
    "?": "question_mark",
    "=": "equals_sign",
    "/": "slash",
    "\\": "backslash",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "<": "less_than_sign",
    ">": "greater_than_sign",
    " ": "space",
    ".": "full_stop",
}


def bindings() -> list[BindingType]:
    """The table as Textual's bindings; each has its id, so that a keymap can move it."""
    return [Binding(key.keys, key.call, key.label or key.help, id=key.id, show=bool(key.label)) for key in TABLE]


def keymap(user: Mapping[str, str]) -> dict[str, str]:
    """A user's keymap (name in the table → keys, comma separated), checked.

    Raises:
        UsageError: where a name is unknown, a key is empty, or one key would do two things.
    """
    known = {key.id: key for key in TABLE}
    out: dict[str, str] = {}
    for name, keys in user.items():
        name = _FORMER.get(name, name)
        if name not in known:
            raise UsageError(f"keymap: there is no action {name!r}; known are {', '.join(known)}")
        if not isinstance(keys, str) or not (keys == " " or keys.strip()):
            raise UsageError(f'keymap: {name} has no key; write one such as "x" or "ctrl+x"')
        parts = [keys] if keys in _NAMES or keys == "," else [part.strip() for part in keys.split(",")]
        out[name] = ",".join(_NAMES.get(part, "comma" if part == "," else part) for part in parts if part)
    owner: dict[str, str] = {}
    for name, key in known.items():
        for one in out.get(name, key.keys).split(","):
            if one in owner:
                raise UsageError(
                    f"keymap: {key_label(one)} would do both {owner[one]} and {name}; give one of them another key"
                )
            owner[one] = name
    return out


def commands(user: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """For the palette, of each key that is of use there: what it does and by which keys, more words, the action."""
    for key in TABLE:
        verb = VERBS.get(key.id)
        if verb is not None:
            yield f"{verb} ({' or '.join(keys_of(key, user))})", key.help.lstrip("… ,"), key.call


def key_label(key: str) -> str:
    """A key as people write it: ``?``, ``space``, ``ctrl+s``."""
    return _SHOWN.get(key, key)


def keys_of(key: Key, user: Mapping[str, str]) -> tuple[str, ...]:
    """The keys in force, as people write them."""
    return tuple(key_label(one) for one in user.get(key.id, key.keys).split(","))


def rows(user: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The table as people read it: ``(group, keys, what they do)``, for the help page and the manual.

    Neighbours that do the same thing in two directions, or to several panes, share a row.
    """
    found: list[tuple[str, str, str]] = []
    for key in TABLE:
        names = " ".join(keys_of(key, user))
        if found and key.help.startswith("… "):
            group, before, text = found[-1]
            found[-1] = (group, f"{before} {names}", f"{text}{key.help[2:]}")
        else:
            found.append((key.group, names, key.help))
    return found
