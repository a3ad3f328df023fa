"""How a setting is declared: as a field of a dataclass, with all that is to be said of it.

The dataclass is the record that the code reads. What people read comes from the same declaration:
the JSON schema, the page of the reference, the keywords of `build_pyramid` and the messages.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, suggestion

from .forms import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED: Any = object()
"""Stands as the default of a setting that must be given."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes
    ----------
    form
        What its value must be.
    meaning
        What it does; the first sentence alone tells what it is.
    default
        Its value where none is given: None where it is then absent, `REQUIRED` where it must be
        given.
    expected
        What its value must be, in words; "" takes those of the form.
    unit
        What its numbers count.
    absent
        The value that stands for None in the record, such as ``auto``. It is the default too.
    for_all
        Whether it may stand at the top of a configuration, for all images; else in `images` alone.
    in_python
        Whether it is a keyword of `build_pyramid`.
    """

    form: Form
    meaning: str
    default: Any = REQUIRED
    expected: str = ""
    unit: str = ""
    absent: object = None
    for_all: bool = True
    in_python: bool = True

    def __post_init__(self) -> None:
        if not self.meaning or not (self.expected or self.form.expected):
            raise TypeError(
                f"a setting of the form {type(self.form).__name__} must say its meaning and what "
                "is expected"
            )

    @property
    def schema(self) -> dict[str, Any]:
        """The setting as JSON schema; `expected` and `unit` are words of our own in it."""
        said = {"description": self.meaning, "expected": self.expected or self.form.expected}
        unit = {"unit": self.unit} if self.unit else {}
        has_default = self.default is not REQUIRED and self.default is not None
        default = {"default": self.default} if has_default else {}
        return {**said, **unit, **self.form.schema, **default}

    def fit(self, value: Any, where: str) -> Any:
        """Return a value in the setting's type, or raise ConfigError; `where` is its dotted key."""
        return self.form.fit(value, where, self.expected or self.form.expected)

    def recorded(self, value: Any) -> Any:
        """Return a value that fits as the record holds it: None for `absent`, tuples for lists."""
        return None if self.absent is not None and value == self.absent else frozen(value)


def setting(form: Form, meaning: str, **given: Any) -> Any:
    """Declare a field of a dataclass as a `Setting`, whose attributes are the parameters."""
    given = {"default": given.get("absent", REQUIRED), **given}
    return dataclasses.field(metadata={"setting": Setting(form, meaning, **given)})


def settings_of(record: type) -> dict[str, Setting]:
    """Return the settings that the fields of a dataclass declare, by name."""
    return {
        field.name: field.metadata["setting"]
        for field in dataclasses.fields(record)
        if "setting" in field.metadata
    }


class Settings(Form):
    """A mapping of known keys, each a setting."""

    annotation = "Mapping[str, Any]"

    def __init__(self, settings: Mapping[str, Setting], expected: str = "") -> None:
        self.settings, self.expected = settings, expected
        required = [key for key, known in settings.items() if known.default is REQUIRED]
        self.required = required
        self.schema = {
            "type": "object",
            "additionalProperties": False,
            **({"required": required} if required else {}),
            "properties": {key: known.schema for key, known in settings.items()},
        }

    def fit(self, value: Any, where: str, expected: str) -> Any:
        """Return a mapping whose values fit, without the keys that have none.

        Raises
        ------
        ConfigError
            If a key is unknown (the nearest known one is named), or a required one is absent.
        """
        if value is None and self.required:
            (first, *_), name = self.required, where.rpartition(".")[2]
            raise ConfigError(
                f"{where} is empty; give it a {first}, such as {name}: {{{first}: PATH}}"
            )
        fitted: dict[str, Any] = {}
        for key, item in super().fit(value, where, expected).items():
            inside = f"{where}.{key}" if where else str(key)
            known = self.settings.get(key)
            if known is None:
                hint = suggestion(str(key), list(self.settings))
                raise ConfigError(f"unknown key {inside!r}{hint}")
            if item is not None:
                fitted[str(key)] = known.fit(item, inside)
        for key in self.required:
            if key not in fitted:
                raise ConfigError(f"{where}: {key} is missing; expected {expected}")
        return fitted

    def _holds(self, value: Any) -> bool:
        return isinstance(value, dict)


def frozen(value: Any) -> Any:
    """Return a value with tuples for lists."""
    if isinstance(value, dict):
        return dict(value)
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value
