"""Batches: small images that one job builds, one after the other.

A job takes half a second to start, which is more than a small image takes. What is a batch follows
from the images alone, not from cores, so that another machine finds the same ones complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid import geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .image import Image

MOST_VOXELS = 1 << 26
"""Voxels of a small image with all its levels, and of the images of a batch: seconds of a core."""

MOST_IMAGES = 128
"""Images of a batch."""

MANY = 32
"""Small images up to which those that a configuration names have a job a level."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The small images among those from one number to another, counted from 1 in the run's order.

    The numbers say what is in it without a look at any other image.
    """

    first: int
    last: int

    @classmethod
    def of(cls, wildcards: Mapping[str, str]) -> Batch:
        """Return the batch that has these wildcards."""
        return cls(first=int(wildcards["first"]), last=int(wildcards["last"]))

    @property
    def file(self) -> str:
        """Name of its sentinel in the folder of results of the run's images."""
        return f"batches/{self.first}-{self.last}.json"

    def of_all(self, names: Sequence[str]) -> Sequence[str]:
        """Return those of the names of all images that are from its first to its last."""
        return names[self.first - 1 : self.last]


def n_voxels(image: Image) -> int:
    """Return the voxels of an image and all its levels."""
    return sum(geometry.count(level.shape) for level in image.plan.levels)


def is_small(image: Image) -> bool:
    """Tell whether an image is built with others in one job.

    Its level 0 is in the store, no level is made in parts, and there is nothing else to make of it.
    """
    plan, asked = image.plan, image.plan.asked
    is_given = image.source is None and asked.test_image is None and asked.base is None
    is_plain = is_given and not (asked.base_ready or asked.label_report or asked.weights)
    is_plain = is_plain and not asked.also and not image.is_companion
    return (
        is_plain
        and n_voxels(image) <= MOST_VOXELS
        and all(plan.cut(level.level).n_parts == 1 for level in plan.levels[1:])
    )


def cut_batches(sizes: Iterable[tuple[int, int]]) -> Iterator[Batch]:
    """Yield the batches of small images, each given by its number and its voxels, in order.

    >>> list(cut_batches([(1, 7), (2, 1 << 26), (4, 3)]))  # the third image is no small one
    [Batch(first=1, last=1), Batch(first=2, last=2), Batch(first=4, last=4)]
    """
    numbers: list[int] = []
    held = 0
    for number, voxels in sizes:
        if numbers and (held + voxels > MOST_VOXELS or len(numbers) == MOST_IMAGES):
            yield Batch(first=numbers[0], last=numbers[-1])
            numbers, held = [], 0
        numbers.append(number)
        held += voxels
    if numbers:
        yield Batch(first=numbers[0], last=numbers[-1])
