"""What every test needs: nothing below the real /sys is ever written, and the environment decides nothing."""

import os

os.environ["DAMONTUI_READ_ONLY"] = "1"
for _name in (
    "NO_COLOR",
    "COLORTERM",
    "TEXTUAL_THEME",
    "TEXTUAL_COLOR_SYSTEM",
    "TEXTUAL_FILTERS",
    "COLUMNS",
    "LINES",
    "XDG_CONFIG_HOME",
):
    os.environ.pop(_name, None)
os.environ["TERM"] = "xterm-256color"
os.environ["COLORTERM"] = "truecolor"
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["HOME"] = "/nonexistent-home-of-tests"
