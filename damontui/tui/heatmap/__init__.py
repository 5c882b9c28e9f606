"""The heatmap: where things are, what is drawn, what is under the mouse, and the widget that puts it on the screen."""
