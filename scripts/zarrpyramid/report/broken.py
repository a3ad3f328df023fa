"""The report of a pyramid of which no plan can be made, as its documents are damaged or do not fit.

It says what is wrong, which levels there are, and shows a picture where one can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.config import short_name
from zarrpyramid.errors import AccessError, PyramidError
from zarrpyramid.verify import status_of

from .figures import as_url
from .frames import crosses
from .markup import Child, page_text, sentence, table, tag, verdict
from .thumbnail import draw_thumbnail

if TYPE_CHECKING:
    from zarrpyramid.verify import Pyramid

_COLUMNS = ("level", "shape", "chunks", "data type", "as found")


def report_broken(pyramid: Pyramid, why: PyramidError) -> str:
    """Return the report of a pyramid that no settings make, an HTML page.

    Parameters
    ----------
    why
        Why there are none; it is said where `status` finds nothing wrong.
    """
    name = short_name(pyramid.store.name, pyramid.path)
    try:
        faults = status_of(pyramid).faults if pyramid.store.lists else []
    except AccessError:
        raise
    except PyramidError as error:
        faults = [str(error)]
    faults = faults or [str(why)]
    faults.append("no voxels were held against records for this report")
    rows = [
        (
            level.path,
            *(
                (crosses(level.array.shape), crosses(level.array.chunks), level.array.dtype)
                if level.metadata
                else ("-", "-", "-")
            ),
            level.fault or "there",
        )
        for level in pyramid.levels
    ]
    header = tag(
        "header",
        tag("h1", name),
        tag("p", tag("code", pyramid.where), class_="soft"),
        verdict(*map(sentence, faults), is_complete=False),
    )
    levels = tag("h2", "Levels", id="levels")
    main = tag("main", levels, table("Levels", _COLUMNS, rows, wraps=_COLUMNS[-1:]))
    return page_text(f"{name}: pyramid", header, _picture(pyramid), main)


def _picture(pyramid: Pyramid) -> Child:
    """Return a small picture of a level that can be read, if there is one."""
    try:
        drawn = draw_thumbnail(pyramid)
    except PyramidError:
        return None
    return tag("img", src=as_url(drawn, "png"), alt="The middle plane") if drawn else None
