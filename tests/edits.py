"""Every single edit of a JSON document: an entry left out, or another one in its place."""

from __future__ import annotations

import copy

OTHERS = {
    "y": ["z", "x"],
    "x": ["z"],
    "C": ["F"],
    "<u2": ["<i2", ">u2"],
    "uint16": ["int16"],
    ".": ["/"],
    "/": ["."],
    "zstd": ["gzip", "foo"],
    "bytes": ["foo"],
    "little": ["big"],
    "mean": ["max", "foo"],
    "space": ["time"],
    "scale": ["translation"],
    "default": ["v2"],
    "0": ["1", "9"],
    "1": ["2", "9"],
    "2": ["1", "9"],
    "0.5": ["0.4"],
    "0.4": ["0.5"],
    "array": ["group"],
    "group": ["array"],
}
"""What is likely to be put in the place of a text."""


def edits(document):
    """Yield the path of each edited entry, and the document after the edit."""
    for path, value in _entries(document, ()):
        for others in (*_others(value), None):
            edited = copy.deepcopy(document)
            holder = edited
            for key in path[:-1]:
                holder = holder[key]
            if others is None:
                del holder[path[-1]]
            else:
                holder[path[-1]] = others[0]
            yield "/".join(map(str, path)), edited
    yield "extra", {**document, "extra": 1}


def _entries(value, path):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key), item
        if isinstance(item, dict | list):
            yield from _entries(item, (*path, key))


def _others(value):
    """Yield other values in tuples, since a value may be None."""
    if isinstance(value, bool) or value is None:
        yield (not value,) if value is not None else (1,)
    elif isinstance(value, int | float):
        yield from ((value + 1,), (-1,))
    elif isinstance(value, str):
        yield from ((other,) for other in OTHERS.get(value, ["other"]))
    elif isinstance(value, list):
        found = [[], value[:-1], [*value, *value[-1:]], value[::-1]]
        yield from ((other,) for n, other in enumerate(found) if other not in [value, *found[:n]])
    elif value:
        yield ({},)
