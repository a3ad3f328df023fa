"""The extent of a configuration: how deep it is nested, and how much it says with its aliases.

An alias of YAML says a value again without repeating it, so that a few lines can say more than any
memory holds, or contain themselves.
"""

from __future__ import annotations

from typing import Any

from zarrpyramid.errors import ConfigError

_DEEPEST = 20
"""Lists and mappings in each other; a configuration of images has five."""

_LARGEST = 1_000_000
"""Values, each alias counted as all that it stands for; an image has at most a hundred."""


def check_extent(config: Any, where: str) -> None:
    """See that a configuration can be checked, copied and shown, before anything else does so.

    Raises
    ------
    ConfigError
        If it is nested too deep or says too much. The message begins with `where`.
    """
    try:
        n_values, _ = _extent(config, _DEEPEST, {})
    except RecursionError:
        raise too_deep(where) from None
    if n_values > _LARGEST:
        raise ConfigError(
            f"{where}: says more than {_LARGEST} values with its aliases; write them out"
        )


def too_deep(where: str) -> ConfigError:
    """Return the error of a configuration that is nested too deep, perhaps in itself."""
    return ConfigError(
        f"{where}: lists and mappings are nested more than {_DEEPEST} times, expected settings of "
        "images; correct it"
    )


def _extent(value: Any, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many values a value says, and how deep it is nested, which is at most `depth`.

    What is said again is looked at once: `known` has it by its identity.
    """
    if not isinstance(value, dict | list | tuple):
        return 1, 0
    if id(value) not in known:
        if depth == 0:
            raise RecursionError
        items = value.values() if isinstance(value, dict) else value
        found = [_extent(item, depth - 1, known) for item in items]
        deepest = max((height for _, height in found), default=0)
        known[id(value)] = 1 + sum(n_values for n_values, _ in found), 1 + deepest
    if known[id(value)][1] > depth:
        raise RecursionError
    return known[id(value)]
