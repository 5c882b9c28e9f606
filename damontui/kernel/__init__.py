"""The only room that touches /sys and /proc: every path goes through one root folder."""
