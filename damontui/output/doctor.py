"""The survey of `kernel.features`, as text for people and as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from damontui.kernel.features import Survey
from damontui.safe_text import shown

_TARGETS = {
    "stat": "DAMON_STAT",
    "regions": "regions from the tracepoint",
    "paddr": "physical memory, by an own kdamond",
    "vaddr": "processes, by an own kdamond",
    "process": "processes through /proc",
    "frames": "what memory is made of, by page frames",
    "owners": "whose memory it is, by page frames",
}
_MARK = {True: "yes", False: "no", None: "?"}


def terminal(environ: Mapping[str, str], *, is_terminal: bool) -> dict[str, Any]:
    """What the terminal can show, from the environment."""
    term, colour = environ.get("TERM", ""), environ.get("COLORTERM", "")
    if not is_terminal or term in ("", "dumb"):
        colours = 0
    elif colour in ("truecolor", "24bit"):
        colours = 1 << 24
    else:
        colours = 256 if "256color" in term else 16
    plain = bool(environ.get("NO_COLOR"))
    return {
        "is_terminal": is_terminal,
        "term": term,
        "colorterm": colour,
        "no_color": plain,
        "colours": colours,
    }


def doctor_object(found: Survey, screen: Mapping[str, Any], targets: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object; ``targets`` are the forms of the words that this program understands."""
    return {
        "schema": 1,
        "kernel": found.release,
        "host": found.host,
        "uid": found.uid,
        "features": {
            feature.name: {"present": feature.present} | ({"detail": feature.detail} if feature.detail else {})
            for feature in found.features
        },
        "config_file": found.config_file or None,
        "config": found.options,
        "files": [
            {"path": file.path, "present": file.present, "readable": file.readable, "writable": file.writable}
            for file in found.files
        ],
        "holders": list(found.holders),
        "lockdown": found.lockdown or None,
        "container": list(found.container),
        "terminal": dict(screen),
        "targets": list(targets),
        "left_behind": found.left or None,
        "give_back": found.remedy or None,
        "obstacles": [{"target": o.target, "what": o.what, "remedy": o.remedy} for o in found.obstacles],
    }


def report(found: Survey, screen: Mapping[str, Any]) -> str:
    """The findings for people: what works, what is in the way, what to do."""
    who = "root" if found.uid == 0 else f"user {found.uid}"
    lines = [f"{found.host or 'this machine'}: Linux {found.release or '(unknown)'}, as {who}", ""]
    if found.left:
        lines += [f"An earlier run of damontui was killed and left {found.left}", f"       → {found.remedy}", ""]
    for target, title in _TARGETS.items():
        obstacles = [o for o in found.obstacles if o.target == target]
        if target == "regions" and not _has_damon(found):
            continue
        lines.append(f"{'no ' if obstacles else 'yes'}  {title}")
        for obstacle in obstacles:
            lines += [f"       {obstacle.what}", f"       → {obstacle.remedy}"]
    lines += ["yes  synthetic memory", "", "The kernel"]
    for feature in found.features:
        detail = f"  ({feature.detail})" if feature.detail else ""
        lines.append(f"  {_MARK[feature.present]:<4}{feature.name}{detail}")
    lines.append(f"  built with: {_options(found)}")
    lines.append(f"  kdamonds: {', '.join(found.holders) or 'none seen'}")
    lines.append(f"  lockdown: {found.lockdown or 'none, or not told'}")
    if found.container:
        lines += ["", "This looks like a container", *(f"  {hint}" for hint in found.container)]
    lines += ["", "Files", "  read  write"]
    for file in found.files:
        rights = f"{_MARK[file.readable]:<6}{_MARK[file.writable]:<6}" if file.present else "not there"
        lines.append(f"  {rights:<14}{file.path}")
    lines += ["", "The terminal", f"  {_screen(screen)}"]
    return "\n".join(shown(line) for line in lines)


def _has_damon(found: Survey) -> bool:
    return any(feature.name == "DAMON" and feature.present for feature in found.features)


def _options(found: Survey) -> str:
    if not found.config_file:
        return "not told (no readable /proc/config.gz or /boot/config)"
    chosen = [option.removeprefix("CONFIG_") for option, value in found.options.items() if value == "y"]
    return f"{', '.join(chosen) or 'nothing of DAMON'} ({found.config_file})"


def _screen(screen: Mapping[str, Any]) -> str:
    if not screen["is_terminal"]:
        return "none: standard output is not a terminal; damontui snapshot works without one"
    if screen["term"] == "dumb":
        return "TERM is dumb: no live monitor; set TERM to what the terminal is, such as xterm-256color"
    colours = {1 << 24: "16 million colours", 256: "256 colours", 16: "16 colours", 0: "no colours"}[screen["colours"]]
    hint = ""
    if screen["no_color"]:
        hint = "; NO_COLOR is set, so values are drawn as glyphs"
    elif screen["colours"] in (16, 256):
        hint = "; if it can show more, set COLORTERM=truecolor (sudo drops it: sudo --preserve-env=COLORTERM)"
    return f"{screen['term'] or 'TERM is not set'}: {colours}{hint}"
