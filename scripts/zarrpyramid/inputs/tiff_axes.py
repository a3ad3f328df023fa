"""Names of a TIFF's axes, and samples such as red, green and blue of each of several channels.

Axes of level 0 are t, c, z, y, x alone: what is along z, y and x is averaged, and no other axis is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zarrpyramid.geometry import Region

    from .image_input import Block, Input, InputForm

UNNAMED = "IQ"
"""Letters of axes that a file does not name."""
_SAMPLES = "s"
_TAKEN_FOR = {
    **dict.fromkeys(UNNAMED, ("z", "c", "t")),
    # Angles, phases, tiles, lifetimes, wavelengths and the like, none of which is averaged.
    **dict.fromkeys("APRHELVMJK", ("c", "t")),
}
"""What axes of other letters are taken for, the first name that is free; from the last axis on."""


def axis_names(letters: str) -> tuple[str, ...]:
    """Return the names of axes for tifffile's letters; () where one finds no name.

    >>> axis_names("TZCYX"), axis_names("IYXS"), axis_names("QQYX")
    (('t', 'z', 'c', 'y', 'x'), ('z', 'y', 'x', 'c'), ('c', 'z', 'y', 'x'))
    """
    if "C" not in letters:
        letters = letters.replace("S", "C")
    taken = {letter.lower() for letter in letters if letter not in _TAKEN_FOR}
    names = []
    for letter in reversed(letters):
        name = letter.lower()
        if letter in _TAKEN_FOR:
            name = next((free for free in _TAKEN_FOR[letter] if free not in taken), "")
        if not name or name in names:
            return ()
        taken.add(name)
        names.append(name)
    return tuple(reversed(names))


def with_samples_as_channels(image: Input) -> Input:
    """Return an image whose channels have samples each with all of them along one axis."""
    form = image.form
    if _SAMPLES not in form.axes:
        return image
    channel, sample = form.axes.index("c"), form.axes.index(_SAMPLES)
    n_samples = form.shape[sample]

    def merged(extents: Sequence[int]) -> tuple[int, ...]:
        found = list(extents)
        found[channel] *= n_samples
        del found[sample]
        return tuple(found)

    said = {name: origin for name, origin in form.origins.items() if name != "channels"}
    form = replace(
        form,
        shape=merged(form.shape),
        axes=tuple(name for name in form.axes if name != _SAMPLES),
        blocks=merged(form.blocks),
        channels=(),
        origins=said,
    )
    return ChannelSamples(image=image, form=form, channel=channel, sample=sample)


@dataclass(frozen=True, kw_only=True)
class ChannelSamples:
    """An image whose axis of channels holds the samples of the first channel, then of the others.

    Attributes
    ----------
    channel, sample
        Numbers of these axes in the file.
    """

    image: Input
    form: InputForm
    channel: int
    sample: int

    @property
    def name(self) -> str:
        """That of the image."""
        return self.image.name

    def read(self, region: Region) -> Block:
        """Return the voxels of a region; all samples of a channel are read at once."""
        inner, wanted, n_samples = self._inner(region)
        voxels = self.image.read(inner)
        place = self.channel - (self.sample < self.channel)
        voxels = np.moveaxis(voxels, self.sample, place + 1)
        first = inner[self.channel].start * n_samples
        shape = list(voxels.shape)
        shape[place : place + 2] = [shape[place] * n_samples]
        cut = [slice(None)] * len(shape)
        cut[place] = slice(wanted.start - first, wanted.stop - first)
        return voxels.reshape(shape)[tuple(cut)]

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the files of a region."""
        return self.image.files(None if region is None else self._inner(region)[0])

    def _inner(self, region: Region) -> tuple[Region, slice, int]:
        """Return a region of the file's own axes, the channels that are wanted, and samples."""
        n_samples = self.image.form.shape[self.sample]
        parts = list(region)
        wanted = parts[self.channel - (self.sample < self.channel)]
        parts.insert(self.sample, slice(0, n_samples))
        parts[self.channel] = slice(wanted.start // n_samples, -(-wanted.stop // n_samples))
        return tuple(parts), wanted, n_samples
