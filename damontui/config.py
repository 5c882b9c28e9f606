"""Settings: command line over environment over file over built-in, all from the fields of one dataclass.

The file is ``$XDG_CONFIG_HOME/damontui/config.toml`` (``~/.config/damontui/config.toml``). Run by sudo, root's own file
is read, or where root has none, that of the user who called sudo: settings choose a look and intervals, never a file to
write. An environment variable is ``DAMONTUI_`` and the setting's name: ``DAMONTUI_MAX_REGIONS=500``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from damontui import units
from damontui.declare import (
    NUMBER,
    Flag,
    Setting,
    one_of,
    parse_history,
    parse_pieces,
    parse_switch,
    parse_word,
    setting,
    settings_of,
)
from damontui.errors import SourceError, UsageError
from damontui.files import open_file
from damontui.sources.options import MONITORING, Options

if TYPE_CHECKING:
    from damontui.tui.frame import ColourMode

_ROOTS_OWN = ("screenshots",)
"""Settings that say where files are written."""
_LARGEST = 1 << 20  # bytes: a configuration file is small, and a device or a log given by mistake is not read whole

SCREEN = "screen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Options):
    """The settings in force after all layers were laid over each other: `Options` of the source, and the rest."""

    target: str = setting("auto", "target", "what is monitored where no target is named", parse_word)
    estimate_pieces: int = setting(
        4_096,
        "estimate_pieces",
        "most pieces of memory that the estimate tells apart (4096); it costs in proportion",
        parse_pieces,
        types=(int,),
        metavar="N",
    )
    theme: str | None = setting(None, "theme", "colour theme", parse_word, table=SCREEN, metavar="NAME")
    span_us: int | None = setting(
        None, "span", "time across the heatmap (4m)", units.parse_duration, table=SCREEN, types=NUMBER, metavar="TIME"
    )
    mode: ColourMode = setting(
        "rate",
        "mode",
        "what the heatmap's colour means: rate, temperature, idle or estimate",
        one_of("rate", "temperature", "idle", "estimate"),
        table=SCREEN,
        metavar="MODE",
    )
    history: int | None = setting(
        None,
        "history",
        "memory for the past (64M); older is kept coarser",
        parse_history,
        table=SCREEN,
        types=(str, int),
        metavar="SIZE",
    )
    screenshots: str | None = setting(
        None,
        "screenshots",
        "where screenshots and records go (the current folder)",
        parse_word,
        table=SCREEN,
        metavar="FOLDER",
    )
    ascii: bool = setting(
        False,
        "ascii",
        "only ASCII characters",
        parse_switch,
        table=SCREEN,
        types=(bool,),
        flags=(Flag("--ascii", True, "only ASCII characters"),),
    )
    keys: Mapping[str, str] = field(default_factory=dict)
    """The user's keymap: action → keys, separated by commas."""
    left_out: tuple[str, ...] = ()
    """Settings in a file that it may not set, one sentence each."""


_FIELDS = settings_of(Settings)
SETTINGS: tuple[Setting, ...] = tuple(_FIELDS.values())
BY_NAME = {one.name: one for one in SETTINGS}
_FIELD_OF = {one.name: name for name, one in _FIELDS.items()}
_IN_FILES = tuple(one for one in SETTINGS if one.file)
_TABLES = {one.table for one in SETTINGS} - {""}
KEYS = "keys"


def settings(
    command_line: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    file: str | None = None,
) -> Settings:
    """The settings in force: all layers, laid over each other.

    Args:
        command_line: parsed values by setting name.
        environ: the environment.
        file: the file of ``--config``, which must exist; None takes the user's own where there is one.

    Raises:
        UsageError: a setting is wrong; the message names the file and key, or the variable.
    """
    text = resources.files("damontui").joinpath("defaults.toml").read_text("utf-8")
    values, keys = _parse(text, "defaults.toml")
    path = Path(file) if file is not None else find(environ)
    left_out: list[str] = []
    if path is not None:
        content, trusted = _read(path)
        from_file, user_keys = _parse(content, str(path))
        if not trusted:
            left_out += [
                f"{path}: screen.{name} is left out: the file is not root's, and does not say where root writes; give "
                f"it with --{name}"
                for name in _ROOTS_OWN
                if from_file.pop(name, None) is not None
            ]
        values |= from_file
        keys |= user_keys
    for one in _IN_FILES:
        if one.variable in environ:
            values[one.name] = one.parse(environ[one.variable], one.variable)
    given = dict(command_line or {})
    made = _made(values | given)
    return dataclasses.replace(
        made,
        keys=keys,
        insisted=tuple(BY_NAME[name].option for name in given if BY_NAME[name].table == MONITORING),
        disabled="enabled" in given and not made.enabled,
        left_out=tuple(left_out),
    )


def _made(values: Mapping[str, object]) -> Settings:
    # each value comes from the parser that its own field declares, so it has the field's type
    return Settings(**{_FIELD_OF[name]: value for name, value in values.items()})  # type: ignore[arg-type]


def find(environ: Mapping[str, str]) -> Path | None:
    """The user's configuration file, None where there is none."""
    if "DAMONTUI_CONFIG" in environ:
        return Path(environ["DAMONTUI_CONFIG"])
    folders = []
    if environ.get("XDG_CONFIG_HOME"):
        folders.append(Path(environ["XDG_CONFIG_HOME"]))
    elif environ.get("HOME"):
        folders.append(Path(environ["HOME"]) / ".config")
    caller = environ.get("SUDO_UID", "")
    if caller.isdigit() and os.geteuid() == 0:
        import pwd

        with contextlib.suppress(KeyError, OverflowError):
            folders.append(Path(pwd.getpwuid(int(caller)).pw_dir) / ".config")
    for folder in folders:
        path = folder / "damontui" / "config.toml"
        if os.path.isfile(path):
            return path
    return None


def _read(path: Path) -> tuple[str, bool]:
    """The text of a file, and whether root may trust it with where files are written, as only root can change it."""
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            data = file.read(_LARGEST + 1)
    except SourceError as error:
        raise UsageError(f"--config {path}: cannot be read: {error.why}") from None
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"{path}: over 1 MiB; this is no configuration file")
    trusted = os.geteuid() != 0 or (status.st_uid == 0 and not status.st_mode & 0o022)
    try:
        return data.decode("utf-8"), trusted
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (at byte {error.start})") from None


def _parse(text: str, where: str) -> tuple[dict[str, object], dict[str, str]]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: TOML's own, and a number of thousands of digits
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"{where}: not TOML: {why}") from None
    values: dict[str, object] = {}
    keys: dict[str, str] = {}
    for key, value in document.items():
        if key == KEYS and isinstance(value, dict):
            for action, bound in value.items():
                if not isinstance(bound, str):
                    raise UsageError(f'{where}: {KEYS}.{action}: {_quoted(bound)} is not text such as "q,ctrl+q"')
                keys[action] = bound
        elif key in _TABLES and isinstance(value, dict):
            for name, inner in value.items():
                values[name] = _value(key, name, inner, where)
        else:
            values[key] = _value("", key, value, where)
    return values, keys


def _value(table: str, name: str, value: object, where: str) -> object:
    shown = f"{table}.{name}" if table else name
    found = next((one for one in _IN_FILES if (one.table, one.name) == (table, name)), None)
    if found is None:
        known = ", ".join([s.name for s in _IN_FILES if s.table == table] + ([] if table else [*sorted(_TABLES), KEYS]))
        raise UsageError(f"{where}: {shown}: there is no such setting; known here: {known}")
    # a bool is an int to Python, not to a user
    if not isinstance(value, found.types) or (isinstance(value, bool) and bool not in found.types):
        names = {str: 'text, such as "5ms"', bool: "true or false", int: "a whole number", float: "a number"}
        wanted = " or ".join(names[kind] for kind in found.types)
        raise UsageError(f"{where}: {shown}: {_quoted(value)} is not {wanted}")
    if isinstance(value, int) and not -(1 << 64) < value < 1 << 64:
        raise UsageError(f"{where}: {shown}: the number is too large")
    return found.parse(str(value), f"{where}: {shown}")


def _quoted(value: object) -> str:
    """A value as it stands in a file, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits than are ever turned into text
        return "that"
    return text if len(text) <= 60 else f"{text[:60]}…"
