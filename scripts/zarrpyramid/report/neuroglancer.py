"""A pyramid in neuroglancer, which runs in the browser and needs nothing from outside.

neuroglancer shows what its state says, a JSON document in the address. `viewer_state` makes it from
metadata documents, and from the voxels of a small image whose documents give no window.
"""

from __future__ import annotations

import json
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zarrpyramid.errors import ConfigError, MetadataError, StoreError
from zarrpyramid.metadata import (
    CHANNEL,
    RECORD_KEY,
    SPACE,
    UNITS,
    channel_colors,
    find_images,
    join,
    locate,
    ome_attributes,
    open_group,
)
from zarrpyramid.plan import BASE_KEY
from zarrpyramid.stores import is_url
from zarrpyramid.verify import read_pyramid

from .facts import holds_labels
from .lone_level import channels_of_lone_level
from .viewer_rules import NEUROGLANCER, lint

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


def view(path: str, *, port: int = 0, opens_browser: bool = True) -> None:
    """Serve the image at a path and show it, until the user interrupts.

    Prints the address that it is shown at, and what neuroglancer is known to get wrong with it.

    Raises
    ------
    PyramidError
        If there is no image with levels, neuroglancer is not installed or the port is taken.
    """
    if is_url(path):
        raise StoreError(f"{path} is a URL, expected a local path; give the URL to a viewer itself")
    client = _client()
    from .serving import FolderServer  # tornado comes with neuroglancer

    store, inside = locate(str(Path(path).absolute()), "")
    pyramid = read_pyramid(store, inside)
    if not pyramid.listed:
        if (below := next(iter(find_images(store, inside)), "")) and not pyramid.levels:
            raise StoreError(
                f"{path} is no image, but holds images; give the path of one of them: "
                f"zarrpyramid view {store.name}/{below}"
            )
        raise StoreError(
            f"the group at {path} lists no level, so there is nothing to show; build its pyramid "
            "first: uv run snakemake --cores all --config store=STORE field=FIELD"
        )
    for finding in lint(pyramid, (NEUROGLANCER,)):
        print(finding.line)
    folders = {"v": (client,), "data": served_paths(store, inside)}
    with FolderServer(folders, port) as server:
        state = viewer_state(store, inside, served_url(store, inside, server.url("data")))
        url = f"{server.url('v')}index.html#!{quote(json.dumps(state))}"
        print(f"{path} is at\n\n  {url}\n\nuntil Ctrl-C", flush=True)
        if opens_browser:
            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def served_paths(store: Store, path: str) -> tuple[Path, ...]:
    """Return what is served of a store: the image's group, and level 0 where that is our link.

    Of a store in a single file it is the file.
    """
    if store.archive:
        return (Path(store.archive.name),)
    pyramid = read_pyramid(store, path)
    is_link = pyramid.attributes.get(BASE_KEY) == "link"
    folder = store.folder(path)
    assert folder is not None  # `view` takes no URL
    places = [folder / level.path for level in pyramid.listed[:1] if is_link]
    return (folder, *(place.resolve() for place in places))


def served_url(store: Store, path: str, url: str) -> str:
    """Return where neuroglancer finds an image's group in what is served of its store at a URL."""
    if store.archive is None:
        return url
    inside = join(store.name[len(store.archive.name) + 1 :], path)
    return f"{url}{quote(store.archive.key)}|zip:{quote(f'{inside}/'.lstrip('/'))}"


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
    for label, labels in _labels_of(store, path, pyramid):
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


def shows_labels(pyramid: Pyramid) -> bool:
    """Tell whether an image holds labels that neuroglancer can show as segments: integers."""
    methods = {record.get("recipe", {}).get("method") for record in _records(pyramid)}
    integers = all(array.dtype.startswith(("int", "uint")) for array in pyramid.arrays)
    return integers and holds_labels(pyramid, *methods)


def _labels_of(store: Store, path: str, pyramid: Pyramid) -> Iterator[tuple[str, Pyramid]]:
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


def _client() -> Path:
    """Return the folder of neuroglancer's client, which its package holds; nothing is imported."""
    spec = find_spec("neuroglancer")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        client = Path(folder) / "static" / "client"
        if (client / "index.html").is_file():
            return client
    raise ConfigError(
        "view needs the client of neuroglancer, which is not installed; in a clone, use "
        "uv run --extra view zarrpyramid view STORE/FIELD, elsewhere: pip install neuroglancer"
    )
