"""How a field of a snapshot is declared, once: JSON, records, the packed past and its coarser entries derive from it.

What a type alone does not say stands beside it, in a `Fact`:

    free: Annotated[int | None, Fact("free_bytes", unit="bytes")] = None

The type is bool, int, float or str, a tuple of one of them, an int64 or float64 array, or a frozen dataclass of such
fields; or one of these or None. `fields_of` reads the declarations of a class.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Past = Literal["newer", "either", "sum", "all", "mean", "default"]
"""The value of a coarse entry of the past, which stands for two snapshots: ``newer`` is the newer one's; ``either`` is
the newer one's or, where that is empty, the older one's; ``sum`` adds both; ``all`` is true where both are; ``mean``
weighs them by the time that each covers; ``default`` keeps neither and is the field's default."""

REGIONS = "regions"
"""The axis that has one place for each region of the snapshot."""


@dataclass(frozen=True, slots=True)
class Fact:
    """How a field's value is written, checked and joined: what its type cannot say."""

    key: str = ""
    """Name in JSON, with the unit at its end; "" where JSON does not have the field as it stands."""
    unit: str = ""
    """Unit of the numbers: ``bytes``, ``s``, ``ms``, …. Where a region is cut, its parts share out its bytes."""
    digits: int | None = None
    """Digits behind the point in JSON; 0 makes a whole number of it, None leaves it as it is."""
    axes: tuple[str | tuple[str, ...], ...] = ()
    """The axes of an array (one or two) or of a tuple (one). An axis is a name, and all axes of that name are equally
    long; or it is the tuple of the names of its places."""
    rising: bool = False
    """Whether the numbers never fall along the last axis; those of a tuple then begin above 0."""
    signed: bool = False
    """Whether numbers may be below 0."""
    length: tuple[int, int] | None = None
    """How many values a tuple has at least and at most; None for any number."""
    past: Past = "newer"


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field: what its type and its `Fact` say together."""

    name: str
    kind: type
    """bool, int, float or str; ``np.ndarray``; or the dataclass that its value is."""
    fact: Fact
    many: bool = False
    """Whether the value is a tuple of ``kind``."""
    optional: bool = False
    """Whether it may be None."""
    whole: bool = True
    """Whether an array holds int64, not float64."""
    given: bool = False
    """Whether a value has to be given, for it has no default."""
    default: object = None
    parts: tuple[Field, ...] = ()
    """The fields of its value, where that is a dataclass."""
    has_arrays: bool = False
    """Whether its value is an array or holds arrays."""
    of_regions: bool = False
    """Whether its value, or part of it, has a place for each region."""
    joins: bool = False
    """Whether a coarse entry of the past takes anything from the older of two values, or of their parts."""


_KNOWN: dict[type, tuple[Field, ...]] = {}


def fields_of(kind: type) -> tuple[Field, ...]:
    """The fields of a dataclass, in its order.

    Raises:
        TypeError: a field's type or its axes are none of those in the module's text.
    """
    if (known := _KNOWN.get(kind)) is None:
        hints = get_type_hints(kind, include_extras=True)
        known = _KNOWN[kind] = tuple(_field(one, hints[one.name]) for one in dataclasses.fields(kind))
    return known


def _field(one: dataclasses.Field[Any], hint: Any) -> Field:
    fact = Fact()
    if get_origin(hint) is Annotated:
        hint, *beside = get_args(hint)
        fact = next((each for each in beside if isinstance(each, Fact)), fact)
    options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    optional = types.NoneType in options
    (plain,) = (each for each in options if each is not types.NoneType)
    given = one.default is dataclasses.MISSING
    many, whole = False, True
    match get_origin(plain):
        case None:
            pass
        case origin if origin is tuple:
            plain, many = get_args(plain)[0], True
        case origin if origin is np.ndarray:
            whole = get_args(get_args(plain)[1]) == (np.int64,)
            plain = np.ndarray
        case origin if origin is Literal:
            plain = str
        case _:
            raise TypeError(f"{one.name}: {hint} is no type of a snapshot's field")
    if plain is np.ndarray and len(fact.axes) not in (1, 2):
        raise TypeError(f"{one.name}: an array has one or two axes, and they have to be declared")
    if not (plain in (bool, int, float, str, np.ndarray) or dataclasses.is_dataclass(plain)):
        raise TypeError(f"{one.name}: {hint} is no type of a snapshot's field")
    parts = fields_of(plain) if dataclasses.is_dataclass(plain) and isinstance(plain, type) else ()
    return Field(
        one.name,
        plain,
        fact,
        many=many,
        optional=optional,
        whole=whole,
        given=given,
        default=None if given else one.default,
        parts=parts,
        has_arrays=plain is np.ndarray or any(part.has_arrays for part in parts),
        of_regions=REGIONS in fact.axes or any(part.of_regions for part in parts),
        joins=fact.past != "newer" or any(part.joins for part in parts),
    )


def arrays_of(value: object) -> Iterator[NDArray[Any]]:
    """The arrays of a value: the value itself if it is one, else those in a dataclass and in those that it holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in fields_of(type(value)):
            if field.has_arrays:
                yield from arrays_of(getattr(value, field.name))


def seal(value: object) -> None:
    """Make the arrays of a dataclass read-only."""
    for array in arrays_of(value):
        array.flags.writeable = False


def joined(kind: type, older: object, newer: object, weights: tuple[float, float]) -> Mapping[str, Any]:
    """The fields of a coarse entry of the past that are not just the newer value's, by name.

    Args:
        kind: the dataclass of both.
        older: the value before.
        newer: the value after.
        weights: how much the older and the newer count in a mean.
    """
    found: dict[str, Any] = {}
    for field in fields_of(kind):
        if not field.joins:
            continue
        before, after = getattr(older, field.name), getattr(newer, field.name)
        both = before is not None and after is not None
        match field.fact.past:
            case "default":
                found[field.name] = field.default
            case "either":
                found[field.name] = after or before
            case "all":
                found[field.name] = before and after
            case "sum" if both:
                found[field.name] = before + after
            case "mean" if both and np.shape(before) == np.shape(after):
                found[field.name] = (before * weights[0] + after * weights[1]) / sum(weights)
            case "newer" if both:
                found[field.name] = dataclasses.replace(after, **joined(field.kind, before, after, weights))
    return found


def lists(field: Field, value: NDArray[Any]) -> list[Any] | dict[str, Any]:
    """An array as JSON has it: a list; with two axes a list for each place of the second, by name if it has names."""
    if value.ndim == 1:
        found: list[Any] = value.tolist()
        return found
    rows = value.T.tolist()
    names = field.fact.axes[1]
    return rows if isinstance(names, str) else dict(zip(names, rows, strict=True))
