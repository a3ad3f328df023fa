"""The rules of `omero`, which tells viewers how to show channels.

Versions 0.4 and 0.5 give an example and a schema, 0.6 puts them into sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .entries import COLOR, MAPPING, MAPPINGS, NUMBER, TEXT, TRUTH, Entry, check_entries, each
from .findings import DEFECT, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

_WINDOW = (
    "window MUST contain the fields min and max [...] It MUST also contain [...] start and end"
)
_CHANNELS = "if present it MUST contain the field channels, which is an array of objects"
_COLOR = "color, which is a string of 6 hexadecimal digits"
_SCHEMA = "image.schema: omero.channels"

_CHANNEL = (
    Entry(key="label", form=TEXT, rule=f'{_SCHEMA} "label": string'),
    Entry(key="family", form=TEXT, rule=f'{_SCHEMA} "family": string'),
    Entry(key="active", form=TRUTH, rule=f'{_SCHEMA} "active": boolean'),
)
_NUMBERS = tuple(
    Entry(key=key, form=NUMBER, rule=_WINDOW, needed=DEFECT)
    for key in ("min", "max", "start", "end")
)


def check_omero(omero: Any, version: str, n_channels: int | None) -> Iterator[Finding]:
    """Yield every rule that an `omero` breaks.

    Parameters
    ----------
    version
        Of OME-NGFF.
    n_channels
        Channels of the image; None where that is not known.
    """
    if not isinstance(omero, dict):
        yield Finding(what="omero is no mapping", found=repr(omero)[:80], rule=_CHANNELS)
        return
    listed = Entry(key="channels", form=MAPPINGS, rule=_CHANNELS, needed=DEFECT)
    yield from check_entries(omero, "omero", [listed])
    # The schema of 0.5 asks for neither.
    needed = None if version == "0.5" else DEFECT
    entries = (
        Entry(key="color", form=COLOR, rule=_COLOR, needed=needed),
        Entry(key="window", form=MAPPING, rule=_WINDOW, needed=needed),
        *_CHANNEL,
    )
    channels = each(omero, "channels", "omero")
    for where, channel in channels:
        yield from check_entries(channel, where, entries)
        if isinstance(window := channel.get("window"), dict):
            yield from check_entries(window, f"{where}.window", _NUMBERS)
    if channels and n_channels is not None and len(channels) != n_channels:
        yield Finding(
            what="number of channels in omero",
            grade=WARNING,
            expected=str(n_channels),
            found=str(len(channels)),
            rule="Array matching the c dimension size",
        )
