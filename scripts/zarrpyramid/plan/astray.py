"""What may be meant that is in another folder: settings that are not read, paths beside them."""

from __future__ import annotations

import os
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.stores import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MOST_SAID = 3
_PLACES = ("source", "store", "container", "samples")


def doubts(config: Mapping[str, Any], given: Sequence[Path], default: str) -> Iterator[str]:
    """Yield what a user may mean otherwise, a line each.

    Parameters
    ----------
    config
        As Snakemake merged it.
    given, default
        Files of settings that the command line names, and the workflow's own.
    """
    yield from _unread(given, default)
    yield from islice(_beside(config, given), _MOST_SAID)


def _unread(given: Sequence[Path], default: str) -> Iterator[str]:
    own = Path("config.yaml")
    if own.is_file() and not given and os.path.realpath(own) != os.path.realpath(default):
        yield (
            f"{own.absolute()} is not read, the settings are those of {default}; to use it give "
            f"--configfile {own}"
        )


def _beside(config: Mapping[str, Any], given: Sequence[Path]) -> Iterator[str]:
    images = config.get("images")
    named = [config, *(images.values() if isinstance(images, dict) else ())]
    each = [image for image in named if isinstance(image, dict)]
    folders = dict.fromkeys(path.absolute().parent for path in given)
    for folder, image, key in product(folders, each, _PLACES):
        value = image.get(key)
        if not isinstance(value, str) or not value or is_url(value):
            continue
        here, beside = (os.path.realpath(start / value) for start in (Path.cwd(), folder))
        if here != beside and Path(beside).exists():
            yield (
                f"{key} {value} means {here}, as paths start at the folder where snakemake runs; "
                f"if you mean {beside}, give that path"
            )
