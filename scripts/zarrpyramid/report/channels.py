"""How the channels of an image are shown: as its group describes them, else by their own pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zarrpyramid.metadata import channel_colors

from .figures import WHITE, contrast_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.verify import Pyramid

    from .figures import Window
    from .slices import Slice


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """How a channel is shown.

    Attributes
    ----------
    number
        None where the image has no channel axis.
    window
        The values that are black and full.
    is_active
        Whether it is part of the pictures in colour.
    """

    number: int | None
    name: str
    window: Window
    colour: str
    is_active: bool

    def parts(self, slices: Sequence[Slice]) -> list[Slice]:
        """Return the slices of this channel."""
        return [part for part in slices if part.channel == self.number]


def find_channels(pyramid: Pyramid, slices: Sequence[Slice]) -> list[Channel]:
    """Return the channels of some slices; at least one is active."""
    numbers = list(dict.fromkeys(part.channel for part in slices))
    found = [_channel(pyramid, number, slices, len(numbers)) for number in numbers]
    if not any(channel.is_active for channel in found):
        found = [replace(channel, is_active=True) for channel in found]
    return found


def _channel(
    pyramid: Pyramid, number: int | None, slices: Sequence[Slice], n_channels: int
) -> Channel:
    place = number or 0
    known = pyramid.channels[place] if place < len(pyramid.channels) else {}
    given = known.get("window")
    ends = [given.get(key) for key in ("start", "end")] if isinstance(given, dict) else []
    usable = [float(end) for end in ends if isinstance(end, int | float)]
    if len(usable) == 2 and usable[0] < usable[1]:
        window = usable[0], usable[1]
    else:
        window = contrast_window([part.pixels for part in slices if part.channel == number])
    name, label = f"Channel {number}", str(known.get("label") or "")
    is_named = label.lower() not in ("", name.lower())
    digits = str(known.get("color", "")).removeprefix("#")
    if len(digits) != 6 or not set(digits.lower()) <= set("0123456789abcdef"):
        digits = channel_colors(n_channels)[place]
    return Channel(
        number=number,
        name="" if number is None else name + f": {label}" * is_named,
        window=window,
        colour=digits if n_channels > 1 else WHITE,
        is_active=n_channels == 1 or known.get("active") is not False,
    )
