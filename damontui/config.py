"""Settings: command line over environment over file over built-in, all from one table.

The file is ``$XDG_CONFIG_HOME/damontui/config.toml`` (``~/.config/damontui/config.toml``). Run by sudo, root's own file
is read, or where root has none, that of the user who called sudo: settings choose a look and intervals, never a file to
write. An environment variable is ``DAMONTUI_`` and the setting's name: ``DAMONTUI_MAX_REGIONS=500``.
"""

from __future__ import annotations

import contextlib
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from damontui import units
from damontui.damon.attrs import BASIS_POINTS
from damontui.errors import SourceError, UsageError
from damontui.files import open_file
from damontui.sources.choose import Options

_DIGITS = 18  # fits 64 bits with a sign
_ROOTS_OWN = ("screenshots",)
"""Settings that say where files are written."""
_LARGEST = 1 << 20  # bytes: a configuration file is small, and a device or a log given by mistake is not read whole


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in a file, where it stands there, and what it may be."""

    name: str
    """With underscores, as in a file; the option has dashes."""
    table: str
    """The file's table that holds it, "" outside of all."""
    parse: Callable[[str, str], Any]
    """From text and the name to blame to the value; raises `UsageError`."""
    types: tuple[type, ...]
    """What a file's value may be, before it is parsed as text."""
    metavar: str
    help: str

    @property
    def option(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "DAMONTUI_" + self.name.upper()


def parse_switch(text: str, name: str) -> bool:
    """``Y``, ``N`` and their like, as the kernel reads a boolean parameter."""
    word = text.strip().lower()
    if word in ("y", "yes", "true", "on", "1"):
        return True
    if word in ("n", "no", "false", "off", "0", ""):
        return False
    raise UsageError(f"{name}: {text!r} is neither yes nor no; write Y or N")


def parse_count(text: str, name: str) -> int:
    """A whole number of at least zero."""
    if not text.strip().isascii() or not text.strip().isdigit():
        raise UsageError(f"{name}: {text!r} is not a whole number of 0 or more")
    if len(text) > _DIGITS:
        raise UsageError(f"{name}: {text[:_DIGITS]}… has more than {_DIGITS} digits, too many for the kernel or us")
    return int(text)


def parse_speed(text: str, name: str) -> float:
    """A factor over zero, or ``max``: infinity."""
    if text.strip() == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise UsageError(f"{name}: {text!r} is not a speed; write a number over 0, such as 60, or max")
    return speed


def _goal(text: str, name: str) -> int:
    share = units.parse_share(text, name)
    if not 0 < share <= 1:
        raise UsageError(f"{name}: {text!r} is not within 0.01% … 100%")
    return max(1, round(share * BASIS_POINTS))


def parse_budget(text: str, name: str) -> float:
    """A share of one CPU over zero."""
    share = units.parse_share(text, name)
    if not 0 < share <= 1:
        raise UsageError(f"{name}: {text!r} is not over 0 and at most 100%")
    return share


def parse_history(text: str, name: str) -> int:
    """Bytes for the past: at least a megabyte, which is minutes whole and hours coarse."""
    count = units.parse_size(text, name)
    if count < 1 << 20:
        raise UsageError(f"{name}: {text!r} is less than 1M; the past needs that much at least")
    return count


def parse_memory(text: str, name: str) -> int:
    """Bytes for reading a record: at least what any takes."""
    count = units.parse_size(text, name)
    if count < 96 << 20:
        raise UsageError(f"{name}: {text!r} is less than 96M; reading takes that much at least")
    return count


def _word(text: str, name: str) -> str:
    if not text.strip():
        raise UsageError(f"{name}: a word is missing")
    return text.strip()


def one_of(*allowed: str) -> Callable[[str, str], str]:
    """A parser of one of a few words."""

    def parse(text: str, name: str) -> str:
        if text not in allowed:
            raise UsageError(f"{name}: {text!r} is none of: {', '.join(allowed)}")
        return text

    return parse


parse_seconds = units.parse_seconds

_NUMBER = (str, int, float)
_TIME = "TIME"

SETTINGS: tuple[Setting, ...] = (
    Setting("target", "", _word, (str,), "TARGET", "what is monitored where no target is named"),
    Setting("enabled", "", parse_switch, (bool,), "", "start switched on"),
    Setting("read_only", "", parse_switch, (bool,), "", "write nothing below /sys"),
    Setting("seed", "", parse_count, (int,), "N", "of simulated memory; the same seed gives the same run"),
    Setting("speed", "", parse_speed, _NUMBER, "X", "of simulated or replayed time; max: as fast as it goes"),
    Setting("memory", "", parse_memory, (str, int), "SIZE", "memory that reading a record may take (512M)"),
    Setting("sample", "monitoring", units.parse_duration, _NUMBER, _TIME, "sampling interval (5ms)"),
    Setting("aggr", "monitoring", units.parse_duration, _NUMBER, _TIME, "aggregation interval (100ms)"),
    Setting("update", "monitoring", units.parse_duration, _NUMBER, _TIME, "update interval of the targets (1m)"),
    Setting("min_regions", "monitoring", parse_count, (int,), "N", "least number of regions (10)"),
    Setting("max_regions", "monitoring", parse_count, (int,), "N", "greatest number of regions (1000)"),
    Setting("goal", "monitoring", _goal, (str,), "SHARE", "wanted share of positive access checks (4%%)"),
    Setting("goal_aggrs", "monitoring", parse_count, (int,), "N", "aggregations to a tuning step (3)"),
    Setting(
        "min_sample",
        "monitoring",
        units.parse_duration,
        _NUMBER,
        _TIME,
        "shortest tuned sampling interval (5ms)",
    ),
    Setting(
        "max_sample",
        "monitoring",
        units.parse_duration,
        _NUMBER,
        _TIME,
        "longest tuned sampling interval (10s)",
    ),
    Setting("autotune", "monitoring", parse_switch, (bool,), "", "tune the intervals towards the goal"),
    Setting("budget", "monitoring", parse_budget, (str,), "SHARE", "CPU share for looking through /proc (2%%)"),
    Setting("theme", "screen", _word, (str,), "NAME", "colour theme"),
    Setting("span", "screen", units.parse_duration, _NUMBER, _TIME, "time across the heatmap (4m)"),
    Setting("mode", "screen", one_of("rate", "temperature", "idle"), (str,), "MODE", "what the heatmap's colour means"),
    Setting("history", "screen", parse_history, (str, int), "SIZE", "memory for the past (64M); older is kept coarser"),
    Setting("screenshots", "screen", _word, (str,), "FOLDER", "where screenshots and records go (the current folder)"),
    Setting("ascii", "screen", parse_switch, (bool,), "", "only ASCII characters"),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
_TABLES = {setting.table for setting in SETTINGS} - {""}
KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force after all layers were laid over each other."""

    values: Mapping[str, Any]
    """By the name of the `Setting`; what nobody set is missing."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The user's keymap: action → keys, separated by commas."""
    insisted: tuple[str, ...] = ()
    """The names that the command line itself set."""
    left_out: tuple[str, ...] = ()
    """What a file says and may not, one sentence each."""

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def options(self, rootfs: str = "/", program: str = "damontui") -> Options:
        """What of it concerns sources."""
        return Options(
            sample_us=self["sample"],
            aggr_us=self["aggr"],
            update_us=self["update"],
            min_regions=self["min_regions"],
            max_regions=self["max_regions"],
            goal_bp=self["goal"],
            goal_aggrs=self["goal_aggrs"],
            min_sample_us=self["min_sample"],
            max_sample_us=self["max_sample"],
            autotune=self["autotune"],
            insisted=tuple(BY_NAME[name].option for name in self.insisted if BY_NAME[name].table == "monitoring"),
            enabled=self["enabled"],
            disabled="enabled" in self.insisted and not self["enabled"],
            read_only=self["read_only"],
            budget=self["budget"],
            memory=self["memory"],
            rootfs=rootfs,
            seed=self["seed"],
            speed=self["speed"],
            program=program,
        )


def settings(
    command_line: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    file: str | None = None,
) -> Settings:
    """All layers, laid over each other.

    Args:
        command_line: parsed values by setting name.
        environ: the environment.
        file: ``--config``; must exist. None looks in the user's configuration folder, where none is needed.

    Raises:
        UsageError: naming the file and key, or the variable, that is wrong.
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
    for setting in SETTINGS:
        if setting.variable in environ:
            values[setting.name] = setting.parse(environ[setting.variable], setting.variable)
    command_line = command_line or {}
    values |= command_line
    return Settings(values, keys, tuple(command_line), tuple(left_out))


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
    """The text of a file, and whether root may take its word for where root writes: nobody else can change it."""
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


def _parse(text: str, where: str) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: TOML's own, and a number of thousands of digits
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"{where}: not TOML: {why}") from None
    values: dict[str, Any] = {}
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


def _value(table: str, name: str, value: object, where: str) -> Any:
    shown = f"{table}.{name}" if table else name
    setting = BY_NAME.get(name)
    if setting is None or setting.table != table:
        known = ", ".join([s.name for s in SETTINGS if s.table == table] + ([] if table else [*sorted(_TABLES), KEYS]))
        raise UsageError(f"{where}: {shown}: there is no such setting; known here: {known}")
    # a bool is an int to Python, not to a user
    if not isinstance(value, setting.types) or (isinstance(value, bool) and bool not in setting.types):
        names = {str: 'text, such as "5ms"', bool: "true or false", int: "a whole number", float: "a number"}
        wanted = " or ".join(names[kind] for kind in setting.types)
        raise UsageError(f"{where}: {shown}: {_quoted(value)} is not {wanted}")
    if isinstance(value, int) and not -(1 << 64) < value < 1 << 64:
        raise UsageError(f"{where}: {shown}: the number is too large")
    return setting.parse(str(value), f"{where}: {shown}")


def _quoted(value: object) -> str:
    """A value as it stands in a file, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits than are ever turned into text
        return "that"
    return text if len(text) <= 60 else f"{text[:60]}…"
