"""What neuroglancer is told of a pyramid: its state, a JSON document in the address.

`viewer_state` makes it from metadata documents, and from the voxels of a small image whose
documents give no window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import (
    CHANNEL,
    RECORD_KEY,
    SPACE,
    UNITS,
    channel_colors,
    join,
    ome_attributes,
    open_group,
)
from zarrpyramid.verify import read_pyramid

from .facts import shows_labels
from .lone_level import channels_of_lone_level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.metadata import Record
    from zarrpyramid.stores import Store
    from zarrpyramid.verify import Pyramid

    State = dict[str, Any]

MOST_LAYERS = 6
"""Channels shown at once; each layer has a slider that leads to the others."""
_SHADER = """\
#uicontrol invlerp normalized
#uicontrol vec3 color color(default="{color}")
void main() {{ emitRGB(color * normalized()); }}
"""


def viewer_state(store: Store, path: str, url: str) -> State:
    """Return neuroglancer's state for the image at a path, with the labels that belong to it.

    Parameters
    ----------
    url
        Where the image's group is served, with a slash at the end.
    """
    pyramid = read_pyramid(store, path)
    name = join(store.name, path).rpartition("/")[2]
    layers = [*_layers(pyramid, name, url)]
    for label, labels in _labels_of(store, path):
        layers += _layers(labels, label, f"{url}labels/{quote(label)}/")
    return {"title": name, **_space(pyramid), "layers": layers}


def _space(pyramid: Pyramid) -> State:
    """Return which axes are shown, and how near."""
    sizes: dict[str, tuple[float, str]] = {}
    space = []
    shape = pyramid.arrays[0].shape if pyramid.arrays else [1] * len(pyramid.axes)
    for axis, kind, size, extent in zip(
        pyramid.axes, pyramid.types, pyramid.voxel_sizes, shape, strict=True
    ):
        scale, unit = UNITS.get(str(axis.get("unit")), (1.0, ""))
        if kind != CHANNEL:
            sizes[axis["name"]] = (size * scale, unit)
        if kind == SPACE:
            space.append((axis["name"], extent))
    relative = _relative_scales([name for name, _ in space], sizes)
    drawn = {name: sizes[name][0] * relative.get(name, 1) for name, _ in space}
    # Canonical voxels, in which zoom is counted: of the least size of all axes shown.
    widest = max(drawn[name] * extent for name, extent in space) / min(drawn.values())
    return {
        "dimensions": sizes,
        # Otherwise the first axes are shown, which may be time, and z from left to right.
        "displayDimensions": [name for name, _ in space][::-1],
        **({"relativeDisplayScales": relative} if relative else {}),
        "crossSectionScale": widest / 400,
        "projectionScale": 1.5 * widest,
        "layout": "4panel" if len(space) > 2 else "xy",
    }


def _relative_scales(space: list[str], sizes: dict[str, tuple[float, str]]) -> dict[str, float]:
    """Return how much smaller axes without a unit are drawn, where others have one.

    neuroglancer counts a size without a unit in meters: beside micrometers the image is a million
    times too long, and nothing of it is seen. Its voxels are drawn as long as the smallest others.
    """
    known = [sizes[name][0] for name in space if sizes[name][1]]
    unknown = [name for name in space if not sizes[name][1]]
    return {name: min(known) / sizes[name][0] for name in unknown} if known else {}


def _layers(pyramid: Pyramid, name: str, url: str) -> Iterator[State]:
    """Yield an image's layers: one of labels, or one a channel."""
    source = f"{url}|zarr{pyramid.zarr_format}:"
    if shows_labels(pyramid):
        yield {"type": "segmentation", "name": name, "source": source}
        return
    n_channels, local = 1, {}
    if CHANNEL in pyramid.types and pyramid.arrays:
        axis = pyramid.types.index(CHANNEL)
        n_channels = pyramid.arrays[0].shape[axis]
        # The mark with which neuroglancer has a dimension for a layer alone.
        local = {"localDimensions": {f"{pyramid.axes[axis]['name']}'": [1, ""]}}
    n_layers = min(n_channels, MOST_LAYERS)
    colors = channel_colors(n_layers)
    described = pyramid.channels or channels_of_lone_level(pyramid, name)
    for channel in range(n_layers):
        known = described[channel] if channel < len(described) else {}
        color = _color(known) or f"#{colors[channel]}"
        window = _window(known, pyramid)
        yield {
            "type": "image",
            "name": str(known.get("label") or (f"{name} {channel}" if n_channels > 1 else name)),
            "source": source,
            "shader": _SHADER.format(color=color),
            "opacity": 1,
            **({"visible": False} if known.get("active") is False else {}),
            "blend": "additive",
            **({"shaderControls": {"normalized": {"range": window}}} if window else {}),
            **({**local, "localPosition": [channel]} if local else {}),
        }


def _labels_of(store: Store, path: str) -> Iterator[tuple[str, Pyramid]]:
    """Yield the labels that an image's group `labels` lists, those that can be read."""
    try:
        attributes = open_group(store, join(path, "labels")).attributes
    except (MetadataError, StoreError):
        return
    listed = ome_attributes(attributes, "labels").get("labels")
    for name in listed if isinstance(listed, list) else []:
        try:
            labels = read_pyramid(store, join(path, "labels", str(name)))
        except (MetadataError, StoreError):
            continue
        if labels.listed:
            yield str(name), labels


def _records(pyramid: Pyramid) -> list[Record]:
    found = [array.attributes.get(RECORD_KEY) for array in pyramid.arrays]
    return [record for record in found if isinstance(record, dict)]


def _color(channel: Record) -> str | None:
    """Return a channel's colour as its group gives it, where it is one."""
    digits = str(channel.get("color", "")).removeprefix("#")
    try:
        return f"#{int(digits, 16):06x}" if len(digits) == 6 else None
    except ValueError:
        return None


def _window(channel: Record, pyramid: Pyramid) -> list[float] | None:
    """Return which values are black and full: the group's window, or the coarsest level's range."""
    window = channel.get("window")
    given = [window.get(key) for key in ("start", "end")] if isinstance(window, dict) else []
    records = _records(pyramid)
    measured = [records[-1].get(key) for key in ("min", "max")] if records else []
    for pair in (given, measured):
        numbers = [value for value in pair if isinstance(value, int | float)]
        if len(numbers) == 2 and numbers[0] < numbers[1]:
            return numbers
    return None
