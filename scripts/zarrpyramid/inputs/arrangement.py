"""An input as level 0 gets it: a box of it, some of its channels, its axes in OME-NGFF's order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError, nearest
from zarrpyramid.metadata import CHANNEL, DEFAULT_AXES, SPACE, TIME, axis_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zarrpyramid.geometry import Region

    from .image_input import Block, Input, InputForm

ORDER = ("t", "c", "z", "y", "x")
"""The order of axes in level 0; others stand before z."""


@dataclass(frozen=True, kw_only=True)
class Arranged:
    """An input that is a box of another one, with its axes in another order.

    Attributes
    ----------
    order
        The axes of the input, by number, in the order of this one. One that is left out has one
        place alone.
    taken
        The places that are taken along each axis of the input, in their order.
    """

    input: Input
    form: InputForm
    order: tuple[int, ...]
    taken: tuple[tuple[int, ...] | range, ...]

    @property
    def name(self) -> str:
        """That of the input."""
        return self.input.name

    def read(self, region: Region) -> Block:
        """Return the voxels of a region of this one."""
        places = [*self.taken]
        for axis, part in zip(self.order, region, strict=True):
            places[axis] = places[axis][part]
        scattered = next((n for n, taken in enumerate(places) if not _is_run(taken)), None)
        if scattered is None:
            voxels = self.input.read(_box(places))
        else:  # one by one
            import numpy as np

            before, after = places[:scattered], places[scattered + 1 :]
            for number, place in enumerate(places[scattered]):
                taken = self.input.read(_box([*before, [place], *after]))
                if number == 0:
                    voxels = np.empty([*map(len, places)], taken.dtype)
                into = np.moveaxis(voxels, scattered, 0)[number]
                np.copyto(into, np.moveaxis(taken, scattered, 0)[0], casting="no")
        dropped = [axis for axis in range(voxels.ndim) if axis not in self.order]
        shape = tuple(n for axis, n in enumerate(voxels.shape) if axis not in dropped)
        kept = [axis for axis in range(voxels.ndim) if axis in self.order]
        return voxels.reshape(shape).transpose([kept.index(axis) for axis in self.order])

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the files of the input that hold a region of this one."""
        places = [*self.taken]
        for axis, part in zip(self.order, region or (), strict=region is not None):
            places[axis] = places[axis][part]
        return self.input.files(tuple(slice(min(taken), max(taken) + 1) for taken in places))


def _is_run(places: Sequence[int]) -> bool:
    if isinstance(places, range):
        return places.step == 1
    return list(places) == [*range(places[0], places[0] + len(places))]


def _box(places: Sequence[Sequence[int]]) -> Region:
    return tuple(slice(taken[0], taken[-1] + 1) for taken in places)


def arrange(
    image: Input,
    *,
    axes: Sequence[str] | None = None,
    transpose: Sequence[str | int] | None = None,
    crop: Mapping[str, Sequence[int]] | None = None,
    channel: int | str | Sequence[int | str] | None = None,
) -> Arranged:
    """Return an input with its axes in the order of level 0.

    Parameters
    ----------
    axes
        Names of the input's axes, in its own order; None takes those of the file, else the usual
        ones of their number.
    transpose
        The axes of level 0 in its order, by name or by number in the input; None takes t, c, z, y,
        x, with other axes before z.
    crop
        Start and stop along axes, in voxels of the input.
    channel
        Number or name of the one channel that is taken, without an axis of channels; or a list of
        those that are taken.

    Raises
    ------
    ConfigError
        If one of them does not fit the input.
    """
    form = image.form
    names = _names(image, axes)
    taken: list[tuple[int, ...] | range] = [range(extent) for extent in form.shape]
    for axis, (start, stop) in (crop or {}).items():
        number = _axis(image, names, axis, "crop")
        extent = form.shape[number]
        if not 0 <= start < stop <= extent:
            raise ConfigError(
                f"crop of axis {axis!r} is [{start}, {stop}], expected a start and a stop within "
                f"the {extent} voxels of {image.name}"
            )
        taken[number] = range(start, stop)
    order = _order(image, names, transpose)
    channels = form.channels
    if channel is not None:
        number = _channel_axis(image, names)
        picked = _channels(image, taken[number], channel)
        taken[number] = picked
        if isinstance(channel, int | str):
            order = tuple(axis for axis in order if axis != number)
    number = next((n for n, name in enumerate(names) if axis_type(name) == CHANNEL), -1)
    if number >= 0 and len(channels) == form.shape[number]:
        channels = tuple(channels[place] for place in taken[number])
    arranged = replace(
        form,
        shape=tuple(len(taken[axis]) for axis in order),
        axes=tuple(names[axis] for axis in order),
        blocks=tuple(min(form.blocks[axis], len(taken[axis])) for axis in order),
        channels=channels,
    )
    return Arranged(input=image, form=arranged, order=order, taken=tuple(taken))


def _names(image: Input, axes: Sequence[str] | None) -> tuple[str, ...]:
    form = image.form
    n_axes = len(form.shape)
    if axes is not None:
        if len(axes) != n_axes:
            raise ConfigError(
                f"axes {list(axes)} name {len(axes)} axes, {image.name} has {n_axes}, of shape "
                f"{list(form.shape)}; name all of them, or leave axes out"
            )
        return tuple(axes)
    if form.axes:
        return form.axes
    if n_axes > len(DEFAULT_AXES):
        raise ConfigError(
            f"{image.name} has {n_axes} axes, of shape {list(form.shape)}, expected at most "
            f"{len(DEFAULT_AXES)}; choose a part of it, or write it with fewer axes"
        )
    return tuple(DEFAULT_AXES[n_axes - 1])


def _order(
    image: Input, names: Sequence[str], transpose: Sequence[str | int] | None
) -> tuple[int, ...]:
    if transpose is None:
        places: dict[str, float] = {name: place for place, name in enumerate(ORDER)}
        places |= {TIME: places["t"], CHANNEL: places["c"], SPACE: places["z"] - 0.5}

        def place(axis: int) -> float:
            name = names[axis].lower()
            return places.get(name, places[axis_type(name)])

        return tuple(sorted(range(len(names)), key=place))
    order = [
        axis if isinstance(axis, int) else _axis(image, names, axis, "transpose")
        for axis in transpose
    ]
    if sorted(order) != [*range(len(names))]:
        raise ConfigError(
            f"transpose is {list(transpose)}, expected each of the axes {list(names)} of "
            f"{image.name} once, by name or by number"
        )
    return tuple(order)


def _axis(image: Input, names: Sequence[str], axis: str, key: str) -> int:
    if axis not in names:
        raise ConfigError(
            f"{key} speaks of axis {axis!r}, {image.name} has the axes {list(names)}"
            f"{nearest(axis, names)}; name others with axes: [...]"
        )
    return names.index(axis)


def _channel_axis(image: Input, names: Sequence[str]) -> int:
    channels = [number for number, name in enumerate(names) if axis_type(name) == CHANNEL]
    return channels[0] if channels else _axis(image, names, "c", "channel")


def _channels(
    image: Input, there: Sequence[int], channel: int | str | Sequence[int | str]
) -> tuple[int, ...]:
    names, picked = image.form.channels, []
    for wanted in [channel] if isinstance(channel, int | str) else channel:
        place = names.index(wanted) if wanted in names else wanted
        if isinstance(place, str) or place not in there:
            known = f" named {', '.join(names)}" if names else ""
            hint = nearest(wanted, names) if isinstance(wanted, str) else ""
            raise ConfigError(
                f"channel {wanted!r} is not in {image.name}, which has {len(there)} channels"
                f"{known}{hint}; give a number from 0 on, or a name"
            )
        picked.append(place)
    return tuple(picked)
