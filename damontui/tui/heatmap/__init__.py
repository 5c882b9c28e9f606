"""The heatmap: where things are, what is drawn, what is under the mouse, and the widget that puts it on the screen.

The words for what is not simply memory with a value, and how it is drawn (`damontui.tui.ink` has the marks):

void
    Addresses between what is mapped. Long ones are folded on the axis (`VOID`) and have words over them.
gap
    A cell to scale without memory of any region, such as a short void or what is mapped and not in memory: `GAP`.
hole
    Physical addresses behind which there is no memory, inside of a region, by the page frames: `EMPTY`.
free
    Memory that nobody has, by the page frames: `FREE`. It looks idle and is not.
off
    A time in which nothing was monitored: `OFF`. Before the first snapshot: `EMPTY`.
under way
    The aggregation that has not ended: `PENDING`, or with `SO_FAR` what it has found until now.
"""
