"""yt, imported when it is needed: that takes seconds."""

from __future__ import annotations

from typing import Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.programs import extra_command


def import_yt() -> Any:
    """Return the module yt.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        import yt
    except ImportError as error:
        raise ConfigError(f"yt cannot be imported: {error}; {extra_command('yt')}") from error
    return yt


def import_unyt() -> Any:
    """Return the units of yt, which come with it; ConfigError as `import_yt`."""
    import_yt()
    import unyt

    return unyt
