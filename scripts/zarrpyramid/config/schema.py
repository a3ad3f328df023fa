"""The declared settings as other languages say them: JSON schema, a signature, a type."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any, TypeVar

from .declare import Settings
from .run import RUN
from .settings import IMAGE, KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., Any])


_STUB = '''"""Keywords of `build_pyramid` for type checkers, made by docs/reference/generate.py."""

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict


class Keywords(TypedDict, total=False):
    """Settings that a call may give; `settings.KEYWORDS` says what they mean."""
'''


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration, for editors."""
    schema = Settings(RUN).schema
    _, named = schema["properties"]["images"]["anyOf"]
    images = named["additionalProperties"]
    for properties in (schema["properties"], images["properties"]):
        for key in properties.keys() & IMAGE.keys():
            properties[key] = {"$ref": f"#/$defs/{key}"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "zarrpyramid configuration",
        **schema,
        "$defs": {key: known.schema for key, known in IMAGE.items()},
    }


def takes_settings(function: _Function) -> _Function:
    """Give a function with ``**settings`` their names, defaults and meanings, for help and tools.

    In its docstring the meanings take the place of the parameter ``**settings`` and its line.
    """
    found = inspect.signature(function)
    *own, _ = found.parameters.values()
    n_positional = sum(item.kind is not inspect.Parameter.KEYWORD_ONLY for item in own)
    settings = [
        inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=known.default,
            annotation=known.form.annotation,
        )
        for key, known in KEYWORDS.items()
    ]
    function.__signature__ = found.replace(  # type: ignore[attr-defined]
        parameters=[*own[:n_positional], *settings, *own[n_positional:]]
    )
    meanings = [
        f"{key}\n" + textwrap.indent(textwrap.fill(known.meaning, 92), " " * 4)
        for key, known in KEYWORDS.items()
    ]
    # Python 3.13 keeps docstrings without the indent of their function, 3.11 keeps them with it.
    before, _, after = inspect.cleandoc(function.__doc__ or "").partition("**settings\n")
    function.__doc__ = "\n".join([before.rstrip(), *meanings, after.partition("\n")[2]])
    return function


def keywords_stub() -> str:
    """Return the text of `keywords.py`."""
    lines = [f"    {key}: {known.form.annotation}" for key, known in KEYWORDS.items()]
    return "\n".join([_STUB, *lines, ""])
