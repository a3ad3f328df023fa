"""The forms that a setting's value can have: each checks a value, and says itself as JSON schema.

A form corrects what a command line does to types: the number that `--config field=1` gives becomes
a text again where a text is expected, and the text ``[2,1]`` becomes the list that it spells.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

_OTHER_NAMES = {
    "average": "mean",
    "nearest": "stride",
    "subsample": "stride",
    "majority": "mode",
    "minimum": "min",
    "maximum": "max",
    "lz4": "blosc-lz4",
    "lz4hc": "blosc-lz4hc",
}
"""What other tools call a method, and our name of it."""


class Form:
    """What a value must be.

    Attributes
    ----------
    schema
        The form as JSON schema.
    annotation
        The form as a Python type, for signatures.
    expected
        The form in words, for messages; "" where the setting has to say it.
    words
        The words that the form takes; a message names the nearest of them.
    """

    schema: dict[str, Any]
    annotation: str
    expected = ""
    words: Sequence[str] = ()

    def fit(self, value: Any, where: str, expected: str) -> Any:
        """Return a value in the form's type.

        Parameters
        ----------
        where
            The dotted key, for messages.
        expected
            What the whole setting must be, in words.

        Raises
        ------
        ConfigError
            If the value does not fit.
        """
        typed = self._typed(value)
        if not self._holds(typed):
            raise self._misfit(typed, where, expected)
        return typed

    def _typed(self, value: Any) -> Any:
        """Return what a text spells as JSON; everything else, and other texts, as they are."""
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value

    def _holds(self, value: Any) -> bool:
        raise NotImplementedError

    def _misfit(self, value: object, where: str, expected: str) -> ConfigError:
        known = {word: word for word in self.words}
        known |= {other: word for other, word in _OTHER_NAMES.items() if word in known}
        # Of a list, the first item that is none of the words.
        items = value if isinstance(value, list | tuple) else [value]
        wrong = next(
            (item for item in items if isinstance(item, str) and item not in self.words), ""
        )
        # The options behind a word, as in zstd:1, are no part of it.
        word = wrong.partition(":")[0]
        hint = nearest(word, known) if word not in self.words else ""
        return ConfigError(f"{where}: expected {expected}, found {value!r}{hint}")

    def __or__(self, other: Form) -> Either:
        return Either(self, other)


class Flag(Form):
    """True or false."""

    schema: dict[str, Any] = {"type": "boolean"}  # noqa: RUF012 (nobody changes it)
    annotation = "bool"
    expected = "true or false"

    def _typed(self, value: Any) -> Any:
        return super()._typed(value.lower() if isinstance(value, str) else value)

    def _holds(self, value: Any) -> bool:
        return isinstance(value, bool)


class Integer(Form):
    """An integer that is at least `least`."""

    annotation = "int"

    def __init__(self, least: int) -> None:
        self.least, self.expected = least, f"an integer >= {least}"
        self.schema = {"type": "integer", "minimum": least}

    def _holds(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= self.least


class Number(Form):
    """A number; with `above`, a finite one larger than that, and of at most `most`."""

    def __init__(self, above: float | None = None, most: float | None = None) -> None:
        self.above, self.most = above, most
        self.expected = "" if above is None else f"a number > {above}"
        self.expected += "" if most is None else f" and <= {most}"
        self.annotation = "int | float" if above is None else "float"
        more = {} if above is None else {"exclusiveMinimum": above}
        more |= {} if most is None else {"maximum": most}
        self.schema = {"type": "number", **more}

    def _holds(self, value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        if self.most is not None and value > self.most:
            return False
        return self.above is None or self.above < value < math.inf


class Text(Form):
    """A text of at least `least` characters in which `pattern` is found."""

    annotation = "str"

    def __init__(self, *, least: int = 0, pattern: str = "") -> None:
        self.least, self.pattern = least, pattern
        if not pattern:  # what a pattern means is for the setting to say
            self.expected = "a text that is not empty" if least else "a text"
        more = {"minLength": least} if least else {}
        self.schema = {"type": "string", **more, **({"pattern": pattern} if pattern else {})}

    def _typed(self, value: Any) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number else value

    def _holds(self, value: Any) -> bool:
        if not isinstance(value, str) or len(value) < self.least:
            return False
        return re.search(self.pattern, value) is not None


class Place(Text):
    """A path or a URL."""

    annotation = "str | os.PathLike[str]"


class Choice(Text):
    """One of some words."""

    def __init__(self, *words: str) -> None:
        *most, last = words
        self.words = words
        self.expected = f"{', '.join(most)} or {last}" if most else last
        self.schema = {"type": "string", "enum": list(words)}

    def _holds(self, value: Any) -> bool:
        # A numpy dtype equals its name, and is no text.
        return isinstance(value, str) and value in self.words


class NotANumber(Choice):
    """The word for NaN, which YAML has as a number too."""

    def __init__(self) -> None:
        super().__init__("nan")

    def _typed(self, value: Any) -> Any:
        is_nan = isinstance(value, float) and math.isnan(value)
        return "nan" if is_nan or value == "NaN" else value


class Nothing(Form):
    """YAML's null."""

    schema: dict[str, Any] = {"type": "null"}  # noqa: RUF012 (nobody changes it)
    annotation = "None"
    expected = "null"

    def _holds(self, value: Any) -> bool:
        return value is None


class Either(Form):
    """The first that fits of some forms."""

    def __init__(self, *forms: Form, expected: str = "") -> None:
        *most, last = (form.expected for form in forms)
        self.forms = forms
        self.expected = expected or f"{', '.join(most)} or {last}"
        self.words = [word for form in forms for word in form.words]
        self.annotation = " | ".join(dict.fromkeys(form.annotation for form in forms))
        self.schema = {"anyOf": [form.schema for form in forms]}

    def __or__(self, other: Form) -> Either:
        return Either(*self.forms, other)

    def fit(self, value: Any, where: str, expected: str) -> Any:
        """Return a value in the type of the first form that it fits; a message names its item."""
        inside = None
        for form in self.forms:
            try:
                return form.fit(value, where, expected)
            except ConfigError as error:
                inside = error if str(error).startswith(f"{where}.") else inside
        raise inside or self._misfit(value, where, expected)


class ListOf(Form):
    """A list of at least one item, and of at most `most`."""

    def __init__(self, item: Form, most: int | None = None) -> None:
        self.item, self.most, self.words = item, most, item.words
        self.annotation = f"Sequence[{item.annotation}]"
        more = {} if most is None else {"maxItems": most}
        self.schema = {"type": "array", "items": item.schema, "minItems": 1, **more}

    def fit(self, value: Any, where: str, expected: str) -> Any:
        """Return a list whose items fit."""
        items = super().fit(value, where, expected)
        return [self.item.fit(item, where, expected) for item in items]

    def _holds(self, value: Any) -> bool:
        return isinstance(value, list | tuple) and 1 <= len(value) <= (self.most or len(value))


class MappingOf(Form):
    """A mapping of any keys to values of one form."""

    def __init__(self, item: Form) -> None:
        self.item = item
        self.annotation = f"Mapping[str, {item.annotation}]"
        said = {"expected": item.expected} if item.expected else {}
        self.schema = {"type": "object", "additionalProperties": {**said, **item.schema}}

    def fit(self, value: Any, where: str, expected: str) -> Any:
        """Return a mapping whose values fit."""
        given = super().fit(value, where, expected)
        expected = self.item.expected or expected
        for key, item in given.items():
            # YAML reads {y: 1,5} as y and as a key 5 without a value.
            if item in (None, "") and str(key).isdecimal():
                raise ConfigError(
                    f"{where}.{key}: expected {expected}, found no value; a decimal number is "
                    "written with a point, as 1.5"
                )
        return {
            str(key): self.item.fit(item, f"{where}.{key}", expected) for key, item in given.items()
        }

    def _holds(self, value: Any) -> bool:
        return isinstance(value, dict)


class AutoOr(Form):
    """The word ``auto``, or a value of another form, whose messages stay as they are."""

    words = ("auto",)

    def __init__(self, form: Form) -> None:
        self.form, self.annotation = form, f"str | {form.annotation}"
        self.schema = {"anyOf": [Choice(*self.words).schema, form.schema]}

    def fit(self, value: Any, where: str, expected: str) -> Any:
        """Return ``auto``, or a value in the type of the other form."""
        if isinstance(value, str) and value in self.words:
            return value
        if not isinstance(self._typed(value), dict):
            raise self._misfit(value, where, expected)
        return self.form.fit(value, where, expected)
