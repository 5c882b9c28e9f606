"""Reports: what a record shows as a whole, as text, JSON or a picture.

`select` cuts the record to what was asked for, `numbers` computes on all its snapshots at once, `results` makes one of
five kinds of result of a style, and `text`, `data` and `pictures` each know how to show the five.
"""
