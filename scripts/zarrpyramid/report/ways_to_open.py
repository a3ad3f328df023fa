"""How to open a pyramid: what each viewer will show of it, and the commands that show it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from zarrpyramid.programs import (
    NAPARI_PACKAGES,
    command,
    extra_command,
    install_command,
    napari_command,
    view_command,
)
from zarrpyramid.stores import as_arguments
from zarrpyramid.verify import GRADES

from .markup import Child, Markup, command_line, sentence, tag
from .viewer_rules import NAPARI, NEUROGLANCER, VIEWERS, VIZARR
from .web_links import web_links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.plan import Image
    from zarrpyramid.verify import Finding

_SITES = {
    NEUROGLANCER: "https://github.com/google/neuroglancer",
    NAPARI: "https://napari.org",
    VIZARR: "https://github.com/hms-dbmi/vizarr",
}
_SHOWS = dict(
    zip(GRADES, ("shows nothing", "shows something else", "shows it, on a condition"), strict=True)
)


def opening_section(image: Image, findings: Sequence[Finding]) -> list[Child]:
    """Return what each viewer shows, worst first, and the commands that open the pyramid."""
    where = image.plan.where
    return [
        tag("h2", "Open it", id="open"),
        tag("p", "What viewers are known to get wrong with this pyramid, and where that was seen.",
            class_="soft"),
        *(_viewer(image, name, findings) for name in VIEWERS),
        tag("h3", "In Python"),
        command_line(_python(image)),
        tag("h3", "In a terminal"),
        tag("p", "What is there, and a proof of every level:", class_="soft"),
        *(
            command_line(command("zarrpyramid", word, where) + _options(image))
            for word in ("status", "verify")
        ),
        tag("h3", "For others to see"),
        *_on_the_web(image),
    ]  # fmt: skip


def _on_the_web(image: Image) -> list[Child]:
    """Return links to pages that show or check the pyramid, or how it gets some."""
    links = web_links(image.store, image.path) if image.plan.lists_levels else {}
    if not links:
        text = (
            "Put the group where everybody may read it by https, and pages from elsewhere too "
            "(CORS). There, zarrpyramid info URL gives links to neuroglancer, vizarr and the "
            "validator of OME-Zarr, which open it in any browser."
        )
        return [tag("p", text, class_="soft")]
    text = (
        "Where everybody may read the store by https, and pages from elsewhere too (CORS), any "
        "browser opens it; the validator checks it by OME-Zarr's rules."
    )
    entries: list[Child] = [
        tag("li", tag("a", name, href=address, rel="noreferrer")) for name, address in links.items()
    ]
    return [tag("p", text, class_="soft"), tag("ul", entries)]


def _viewer(image: Image, name: str, findings: Sequence[Finding]) -> Markup:
    own = [finding for finding in findings if name in finding.viewers]
    grade = own[0].grade if own else "fine"
    said = _SHOWS[grade] if own else "shows all levels"
    entries: list[Child] = [
        tag(
            "li",
            f"{sentence(finding.what)} {sentence(finding.way_out)} ",
            tag(
                "a",
                "Seen here",
                href=finding.seen,
                rel="noreferrer",
                aria_label=_seen(name, finding),
            ),
        )
        for finding in own
    ]
    return tag(
        "section",
        tag("h3", tag("a", name, href=_SITES[name], rel="noreferrer"), " ",
            tag("span", said, class_=f"tag {grade}")),
        tag("ul", entries) if entries else None,
        _call(image, name),
        class_="viewer",
    )  # fmt: skip


def _seen(name: str, finding: Finding) -> str:
    return f"Seen here: {name}, {finding.rule}"


def _call(image: Image, name: str) -> Child:
    """Return the command that shows the pyramid in a viewer."""
    where, is_local = image.plan.where, not image.store.is_remote
    if not image.plan.lists_levels:
        return None
    if name == NEUROGLANCER and is_local:
        known = view_command(where)
        once = [] if known else [f"{extra_command('view')}  # once"]
        return _lines(*once, known or command("zarrpyramid", "view", where))
    if name == NAPARI and (archive := image.store.archive) is not None:
        inside = f"{image.store.name}/{image.path}".removeprefix(archive.name).rstrip("/")
        shown = f"napari --plugin napari-ome-zarr {shlex.quote('NEW.zarr' + inside)}"
        return _lines(command("zarrpyramid", "unpack", archive.name, "NEW.zarr"), shown)
    if name == NAPARI:
        known = napari_command(where)
        once = [] if known else [f"{install_command(*NAPARI_PACKAGES)}  # once"]
        return _lines(*once, known or f"napari --plugin napari-ome-zarr {shlex.quote(where)}")
    return tag("p", "Reads from the web: see below.", class_="soft")


def _lines(*lines: str) -> Markup:
    return command_line("\n".join(lines))


def _python(image: Image) -> str:
    """Return lines that open the coarsest level with zarr."""
    if image.store.archive is not None:
        where = json.dumps(image.plan.where)
        opened = f"zarrpyramid.open_pyramid({where})"
        return f"import zarrpyramid\n\nlevel = {opened}.levels[-1].array\nprint(level.info)"
    path = f"{image.plan.where.rstrip('/')}/{image.paths.path(len(image.plan.levels) - 1)}"
    return (
        f'import zarr\n\nlevel = zarr.open_array({json.dumps(path)}, mode="r")\nprint(level.info)'
    )


def _options(image: Image) -> str:
    return as_arguments(image.store.options)
