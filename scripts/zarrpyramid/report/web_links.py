"""Pages on the web that show or check an image which stands at an https address."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from .neuroglancer import viewer_state
from .viewer_rules import NEUROGLANCER, VIZARR

if TYPE_CHECKING:
    from zarrpyramid.stores import Store

VALIDATOR = "validator"
"""The page that checks an image by the rules of OME-NGFF."""

_NEUROGLANCER = "https://neuroglancer-demo.appspot.com/#!"
_BY_SOURCE = {
    VIZARR: "https://hms-dbmi.github.io/vizarr/?source=",
    VALIDATOR: "https://ome.github.io/ome-ngff-validator/?source=",
}


def web_links(store: Store, path: str) -> dict[str, str]:
    """Return the addresses of pages that open the image at a path of a store, by name.

    A browser reads the image at the store's web address: everybody must be allowed to, and pages
    from elsewhere too (CORS). There are none where the store has no such address.
    """
    if not store.web_address:
        return {}
    address = f"{store.web_address}/{quote(path)}".rstrip("/")
    state = viewer_state(store, path, f"{address}/")
    pages = {name: f"{page}{quote(address, safe=':/')}" for name, page in _BY_SOURCE.items()}
    return {NEUROGLANCER: _NEUROGLANCER + quote(json.dumps(state)), **pages}
