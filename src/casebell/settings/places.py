"""Places in the configuration: the keys that the models allow there, and findings."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, get_args, get_origin

import msgspec

from casebell.settings.values import Part

#: A place in the configuration: table keys, and positions (from 0) in lists.
Loc: TypeAlias = tuple[str | int, ...]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An error at a place of the configuration."""

    loc: Loc
    #: A sentence; never the value.
    message: str
    hint: str = ""
    #: It is right as written, and names what this process does not have.
    absent: bool = False

    def concerns(self, loc: Loc) -> bool:
        """Whether its place is this one, around it or in it."""
        shorter = min(len(loc), len(self.loc))
        return loc[:shorter] == self.loc[:shorter]


def keys_of(annotation: object) -> tuple[str, ...]:
    """The keys of a table of this type; () if its keys are free, or it is not a table."""
    model = _model(annotation)
    if model is None:
        return ()
    return tuple(key for key in model.model_fields if key not in model.filled_in)


def inside(annotation: object, step: str | int) -> object:
    """The type one step down: of a table's value or a list's entry; None without one."""
    annotation = _plain(annotation)
    if model := _model(annotation):
        return _plain(model.model_fields[step].annotation) if step in keys_of(model) else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return _plain(arguments[1])
    if origin is tuple:
        entry = _plain(arguments[0])
        # A list with a single table may be written as that table.
        return entry if isinstance(step, int) else inside(entry, step)
    return None


def is_table(annotation: object) -> bool:
    """Whether a value of this type has keys."""
    return get_origin(_plain(annotation)) is dict or _model(annotation) is not None


def is_list(annotation: object) -> bool:
    """Whether a value of this type has entries."""
    return get_origin(_plain(annotation)) is tuple


def at(annotation: object, loc: Loc) -> object:
    """The type at a place; None if the models have no such place."""
    for step in loc:
        annotation = inside(annotation, step)
    return annotation


def way(data: Any, loc: Loc) -> Iterator[tuple[Any, str | int]]:
    """The tables and lists on the path to a place, and the step in each; the last may lack it.

    Validation gives a single value that stands for a list a position. Such a position is left out.
    """
    for step in loc:
        if isinstance(data, dict) and isinstance(step, str):
            yield data, step
            if step not in data:
                return
        elif isinstance(data, list) and isinstance(step, int):
            yield data, step
        elif isinstance(step, int):
            continue
        else:
            return
        data = data[step]


def in_order(data: Any, loc: Loc) -> tuple[int, ...]:
    """A sort key: the order of the file, with missing keys last in their table."""
    return tuple(
        step if isinstance(step, int) else [*table, step].index(step)
        for table, step in way(data, loc)
    )


def spelled(loc: Loc) -> str:
    """A place in writing: `rules[2].notify[1]`; entries of lists count from 1."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += f".{step}" if text else step
    return text


def _plain(annotation: object) -> object:
    """A type without what is said of it, and without that it may be left out."""
    if get_origin(annotation) is UnionType:
        present = [one for one in get_args(annotation) if one is not NoneType]
        annotation = present[0] if len(present) == 1 else annotation
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _model(annotation: object) -> type[Part] | None:
    annotation = _plain(annotation)
    is_model = isinstance(annotation, type) and issubclass(annotation, Part)
    return annotation if is_model else None  # type: ignore[return-value]
