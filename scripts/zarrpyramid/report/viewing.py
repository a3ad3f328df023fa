"""A pyramid in a viewer that is installed: neuroglancer in the browser, or napari.

neuroglancer needs nothing from outside: its page and the image are served to this machine alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import find_images, locate
from zarrpyramid.plan import BASE_KEY
from zarrpyramid.programs import (
    NAPARI_PACKAGES,
    command,
    extra_command,
    install_command,
    napari_command,
)
from zarrpyramid.stores import as_arguments, is_url
from zarrpyramid.verify import read_pyramid

from .neuroglancer import viewer_state
from .viewer_rules import NAPARI, NEUROGLANCER, lint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.stores import Store
    from zarrpyramid.verify import Pyramid


def view(
    path: str,
    *,
    viewer: str | None = None,
    port: int = 0,
    opens_browser: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Show the image at a path or URL, until the user interrupts or closes the viewer.

    Prints what the viewer is known to get wrong with it, and the address where neuroglancer runs.

    Parameters
    ----------
    viewer
        One of `OPENERS`; None takes the first of them that is installed.

    Raises
    ------
    PyramidError
        If there is no image with levels, the viewer is not installed or the port is taken.
    """
    client = _client()
    if viewer is None:
        viewer = NAPARI if client is None and napari_command(path) else NEUROGLANCER
    if viewer == NAPARI and not napari_command(path):
        raise ConfigError(
            "napari and its reader of OME-Zarr are not installed; "
            f"{install_command(*NAPARI_PACKAGES)}, or use --viewer neuroglancer"
        )
    if viewer == NEUROGLANCER and client is None:
        raise ConfigError(
            "view needs the client of neuroglancer, which is not installed; install it: "
            f"{extra_command('view')}"
        )
    place = path if is_url(path) else str(Path(path).absolute())
    pyramid = _image(path, place, storage_options)
    for finding in lint(pyramid, (viewer,)):
        print(finding.line, flush=True)
    if client is None or viewer == NAPARI:
        _in_napari(pyramid, place)
    else:
        _in_neuroglancer(pyramid, path, client, port, opens_browser=opens_browser)


def _in_napari(pyramid: Pyramid, place: str) -> None:
    """Show a pyramid until napari is closed."""
    store = pyramid.store
    if store.archive or (store.is_remote and not place.startswith("http")):
        raise ConfigError(
            f"{place}: napari opens folders and http(s) addresses alone; use --viewer neuroglancer"
        )
    words = ("-m", "napari", "--plugin", "napari-ome-zarr", place)
    if code := subprocess.run([sys.executable, *words], check=False).returncode:
        raise StoreError(f"napari ended with code {code}; what it said stands above")


def _in_neuroglancer(
    pyramid: Pyramid, path: str, client: Path, port: int, *, opens_browser: bool
) -> None:
    """Show a pyramid until the user interrupts, and say where; `path` is as it was given."""
    from .serving import FolderServer  # tornado comes with neuroglancer

    store, inside = pyramid.store, pyramid.path
    folders: dict[str, tuple[Path, ...]] = {"v": (client,)}
    groups = {}
    # A single file too is served object by object: neuroglancer 2.41.2 reads none above 4 GB.
    if store.is_remote or store.archive:
        groups["data"] = store, inside
    else:
        folders["data"] = served_paths(store, inside)
    with FolderServer(folders, port, groups=groups) as server:
        state = viewer_state(store, inside, server.url("data"))
        url = f"{server.url('v')}index.html#!{quote(json.dumps(state))}"
        print(f"{path} is at\n\n  {url}\n\nuntil Ctrl-C", flush=True)
        if opens_browser:
            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def _image(path: str, place: str, storage_options: Mapping[str, Any] | None) -> Pyramid:
    """Return the pyramid at a place, which lists levels; messages have the path as it was given."""
    store, inside = locate(place, "", options=storage_options)
    pyramid = read_pyramid(store, inside)
    if pyramid.listed:
        return pyramid
    if (below := next(iter(find_images(store, inside)), "")) and not pyramid.levels:
        raise StoreError(
            f"{path} is no image, but holds images; give the path of one of them: "
            + command("zarrpyramid", "view", f"{store.name}/{below}")
            + as_arguments(storage_options or {})
        )
    raise StoreError(
        f"the group at {path} lists no level, so there is nothing to show; build its pyramid "
        "first: " + command("zarrpyramid", "build", path) + as_arguments(storage_options or {})
    )


def served_paths(store: Store, path: str) -> tuple[Path, ...]:
    """Return what is served of a folder: the image's group, and level 0 where it is our link."""
    pyramid = read_pyramid(store, path)
    is_link = pyramid.attributes.get(BASE_KEY) == "link"
    folder = store.folder(path)
    assert folder is not None  # of other stores, objects are served
    places = [folder / level.path for level in pyramid.listed[:1] if is_link]
    return (folder, *(place.resolve() for place in places))


def _client() -> Path | None:
    """Return the folder of neuroglancer's client, which its package holds; nothing is imported."""
    spec = find_spec("neuroglancer")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        client = Path(folder) / "static" / "client"
        if (client / "index.html").is_file():
            return client
    return None
