"""Configurations as YAML: read from a file, written as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from zarrpyramid.errors import ConfigError

from .extent import check_extent, too_deep

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_config(path: Path) -> dict[str, Any]:
    """Return what a configuration file says, unchecked.

    Raises
    ------
    ConfigError
        If it cannot be read, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unread(str(path), error) from error
    found = from_yaml(text, str(path))
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a mapping of keys such as store, found {found!r}")
    return found


def from_yaml(text: str, name: str) -> Any:
    """Return what YAML says, unchecked; errors name it by `name`.

    Raises
    ------
    ConfigError
        If it is no YAML, or holds too much.
    """
    try:
        found = yaml.safe_load(text)
    except RecursionError as error:
        raise too_deep(name) from error
    except (ValueError, yaml.YAMLError) as error:
        raise _unread(name, error) from error
    check_extent(found, name)
    return found


def _unread(name: str, error: Exception) -> ConfigError:
    reason = " ".join(str(error).split())
    return ConfigError(f"{name} cannot be read as a configuration: {reason}")


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as the text of a configuration file, in their order."""
    text: str = yaml.safe_dump(
        dict(settings), sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000
    )
    return text
