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
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise too_deep(str(path)) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read as a configuration: {reason}") from error
    check_extent(found, str(path))
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a mapping of keys such as store, found {found!r}")
    return found


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as the text of a configuration file, in their order."""
    text: str = yaml.safe_dump(
        dict(settings), sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000
    )
    return text
