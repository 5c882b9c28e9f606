"""The fields of a snapshot as JSON and back, exactly, as they are declared; values that are impossible are refused.

An array is a list; of two axes a list for each place of the second, by name where its places have names (one that is
missing stands for zeros), so that ``used`` of counted bytes is a list for each time. Where numbers rise along an axis,
differences stand for them: most are zero and pack well. A dataclass is an object; keys that are not known are left out,
so that a record of a later version is read as far as it is known, and one of an earlier version gets defaults.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from damontui.damon.fields import REGIONS, Field, fields_of, lists
from damontui.records.sound import listed, real, table_of_fields, truth_value, whole_number, words

LARGEST = 1 << 62
"""The largest number that an array may hold."""
Sizes = dict[str, int]
"""The length of each named axis: of `REGIONS`, and of the axes of arrays and tuples read before in the same object."""


def plain(field: Field, value: Any) -> Any:
    """A field's value as JSON has it."""
    if value is None:
        return None
    if field.kind is np.ndarray:
        if field.fact.rising:
            value = np.diff(value, axis=-1, prepend=0)
        return lists(field, value)
    if field.parts:
        return {part.name: plain(part, getattr(value, part.name)) for part in field.parts}
    return list(value) if field.many else value


def value_of(field: Field, given: object, sizes: Sizes, by: Literal["name", "key"] = "name") -> Any:
    """The value of a field that stands in JSON.

    Args:
        field: the field.
        given: its value in JSON.
        sizes: the number of regions; the lengths of other axes are put in as they are read.
        by: what keys are, as for `values_of`.

    Raises:
        ValueError: the value is of another type, out of range or of another shape.
        KeyError: a part of it is missing.
    """
    if given is None and field.optional:
        return None
    if field.kind is np.ndarray:
        return _array(field, given, sizes)
    if field.parts:
        return field.kind(**values_of(field.kind, given, dict(sizes), by))
    if not field.many:
        return _one(field, given)
    found: tuple[Any, ...] = tuple(_one(field, one) for one in listed(given))
    least, most = field.fact.length or (0, len(found))
    if not least <= len(found) <= most:
        raise ValueError(f"{field.name}: {len(found)} values")
    if field.fact.rising and (np.diff((0.0, *found)) <= 0).any():
        raise ValueError(f"{field.name}: numbers that do not rise")
    if field.fact.axes and found:  # an empty one says that nothing is known
        (axis,) = field.fact.axes
        if len(found) != (len(axis) if isinstance(axis, tuple) else sizes.setdefault(axis, len(found))):
            raise ValueError(f"{field.name}: {len(found)} values, one for each of others")
    return found


def values_of(kind: type, given: object, sizes: Sizes, by: Literal["name", "key"] = "name") -> dict[str, Any]:
    """The values of a dataclass's fields that stand in an object, by the field's name.

    Args:
        kind: the dataclass.
        given: the object in JSON.
        sizes: as for `value_of`.
        by: what keys are. ``name`` is the fields' names, as in a record: fields with a default may be missing.
            ``key`` is the keys of their `Fact`: only fields that may be None may be missing, and fields without a key
            are left out.

    Raises:
        ValueError: a value is impossible.
        KeyError: a value is missing.
    """
    there = table_of_fields(given)
    found: dict[str, Any] = {}
    for field in fields_of(kind):
        key = field.name if by == "name" else field.fact.key
        if key in there:
            found[field.name] = value_of(field, there[key], sizes, by)
        elif key and (field.given or (by == "key" and not field.optional)):
            raise KeyError(key)
    return found


def _one(field: Field, given: object) -> object:
    signed = field.fact.signed
    if field.kind is bool:
        return truth_value(given)
    if field.kind is int:
        return whole_number(given, -LARGEST if signed else 0)
    if field.kind is float:
        return real(given, -1e18 if signed else 0.0)
    return words(given)


def _array(field: Field, given: object, sizes: Sizes) -> NDArray[Any]:
    (axis, *more) = field.fact.axes
    if not more and isinstance(axis, str) and axis != REGIONS:
        sizes.setdefault(axis, len(listed(given)))  # the first of an object's arrays along an axis says how long it is
    lengths = [len(axis) if isinstance(axis, tuple) else sizes.get(axis) for axis in field.fact.axes]
    shape = [length for length in reversed(lengths) if length is not None]
    if len(shape) < len(lengths):
        raise ValueError(f"{field.name}: nothing says how many there are")
    names = field.fact.axes[-1]
    if len(shape) == 2 and isinstance(names, tuple):
        by_name = table_of_fields(given)
        given = [by_name.get(name, [0] * shape[1]) for name in names]
    if not field.fact.rising:
        return np.ascontiguousarray(numbers(field, given, *shape).T)
    steps = numbers(replace(field, fact=replace(field.fact, signed=True)), given, *shape)
    found = np.cumsum(steps, axis=0)
    if found.min(initial=0) < 0 and not field.fact.signed:
        raise ValueError(f"{field.name}: a sum below 0")
    return np.ascontiguousarray(found.T)


def numbers(field: Field, given: object, *shape: int) -> NDArray[Any]:
    """The numbers of a field as an array of that shape: whole ones up to 2^62, or finite ones.

    Raises:
        ValueError: they are no such numbers, or of another shape.
    """
    kind = np.int64 if field.whole else np.float64
    found = np.array(given)
    if found.size == 0 and 0 in shape:
        return np.empty(shape, dtype=kind)
    if found.dtype.kind not in ("i" if field.whole else "if") or found.shape != shape:
        raise ValueError(f"{field.name}: {found.dtype} of the shape {found.shape}, where numbers of {shape} are due")
    least = -LARGEST if field.fact.signed else 0
    # written so that what is not a number fails it
    if found.size and not (least <= found.min() and found.max() <= LARGEST):
        raise ValueError(f"{field.name}: a number out of range")
    return found.astype(kind)
