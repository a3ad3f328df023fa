"""Configurations as YAML or JSON: read from a file, written as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from zarrpyramid.errors import ConfigError, nearest

from .extent import check_extent, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from yaml.nodes import MappingNode

_EXAMPLE = "store: /data/brain.zarr"
_MERGE = "tag:yaml.org,2002:merge"


class _Twice(yaml.MarkedYAMLError):
    """A key that a mapping has twice, of which YAML's readers take the last without a word."""


class _Loader(yaml.SafeLoader):
    """A reader of YAML that refuses a mapping with a key twice."""

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        """Return a mapping as it is written, without what is merged into it."""
        node = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], Any] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            first = seen.setdefault((key.tag, key.value), key)
            if first is not key:
                where = (
                    f"is given twice, first in line {first.start_mark.line + 1}; keep one of them"
                )
                raise _Twice(problem=f"{key.value} {where}", problem_mark=key.start_mark)
        return node


def read_config(path: Path) -> dict[str, Any]:
    """Return what a configuration file says, unchecked.

    Raises
    ------
    ConfigError
        If it cannot be read, is empty or no mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside) or "; give the path of a configuration"
        raise ConfigError(f"{path}: there is no such file{hint}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder; give the path of a file in it") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: is no text in UTF-8; save it as such") from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}; allow it, or copy it"
        ) from error
    found = _from_json(text, str(path)) if text.lstrip().startswith("{") else None
    if found is None:
        found = from_yaml(text, str(path))
    if found is None:
        raise ConfigError(f"{path} is empty, expected settings such as {_EXAMPLE}; write one")
    if not isinstance(found, dict):
        raise ConfigError(
            f"{path}: expected a mapping of settings such as {_EXAMPLE}, found {found!r}; write "
            "KEY: VALUE"
        )
    check_extent(found, str(path))
    return found


def check_twice(paths: Iterable[Path]) -> None:
    """Refuse files in which a key is given twice; who has read them before kept the last of each.

    Raises
    ------
    ConfigError
        That names the first one.
    """
    for path in paths:
        try:
            read_config(path)
        except ConfigError as error:
            if isinstance(error.__cause__, _Twice):
                raise


def from_yaml(text: str, name: str) -> Any:
    """Return what YAML says, unchecked; errors name it by `name`.

    Raises
    ------
    ConfigError
        If it is no YAML, has a key twice, or holds too much.
    """
    try:
        found = yaml.load(text, _Loader)
    except RecursionError as error:
        raise too_deep(name) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_place_and_reason(name, text, error)) from error
    except yaml.reader.ReaderError as error:
        where = _place(name, text, text.count("\n", 0, error.position))
        raise ConfigError(f"{where}: a control character, expected text; remove it") from error
    except ValueError as error:  # such as a date that is none
        raise ConfigError(f"{name} is no YAML: {' '.join(str(error).split())}; quote it") from error
    check_extent(found, name)
    return found


def _place_and_reason(name: str, text: str, error: yaml.MarkedYAMLError) -> str:
    """Return where text is no YAML, and why, as a line."""
    mark = error.problem_mark or error.context_mark
    where = _place(name, text, mark.line if mark else 0)
    if isinstance(error, _Twice):
        return f"{where}: {error.problem}"
    if mark and "\t" in text[: mark.index + 1].rpartition("\n")[2]:
        return f"{where}: a tab before or between words, expected spaces; put spaces in its place"
    reason = " ".join(str(error.problem or error.context).split())
    return f"{where}: is no YAML: {reason}; correct that"


def _place(name: str, text: str, line: int) -> str:
    """Return the name of a text, and the line of it where it has more than one."""
    n_lines = len(text.splitlines())
    return f"{name}, line {min(line + 1, n_lines)}" if n_lines > 1 else name


def _from_json(text: str, name: str) -> Any:
    """Return what JSON says, None of what is none: as Snakemake does, it is tried before YAML."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                twice = _Twice(problem=f"{key} is given twice; keep one of them")
                raise ConfigError(f"{name}: {twice.problem}") from twice
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError as error:
        raise too_deep(name) from error
    except json.JSONDecodeError:
        return None


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as the text of a configuration file, in their order."""
    text: str = yaml.safe_dump(
        dict(settings), sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000
    )
    return text
