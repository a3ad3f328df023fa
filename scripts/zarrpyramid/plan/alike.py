"""Plans of images that are alike, made once: those of a plate differ in their places alone."""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import ImageConfig
from zarrpyramid.metadata import labels_group

from .levels import plan_image

if TYPE_CHECKING:
    from zarrpyramid.metadata import ArrayMetadata

    from .levels import ImagePlan

_OWN = ("name", "field")
"""Settings of which a plan tells, and on which no part of it depends."""

_SHARED = attrgetter(*(each.name for each in fields(ImageConfig) if each.name not in _OWN))

_MOST = 16
"""Plans that are kept: images that are alike mostly come one after the other."""

_PLANS: dict[str, ImagePlan] = {}


def plan_alike(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any], path: str
) -> ImagePlan:
    """Return what `plan_image` does; of an image like one before, that one's plan.

    They are alike where all settings but name and field are spelled alike, all documents too, and
    both or none are in a group of labels.
    """
    if image.weights:  # whose path depends on the field
        return plan_image(image, base, attributes, path)
    is_in_labels = labels_group(path) is not None
    # By their text, in which 1 is not 1.0: documents of levels repeat that of level 0.
    key = repr((_SHARED(image), base.document, base.attributes, attributes, is_in_labels))
    known = _PLANS.get(key)
    if known is not None:
        own = replace(known.image, name=image.name, field=image.field)
        return replace(known, asked=image, image=own)
    plan = plan_image(image, base, attributes, path)
    if len(_PLANS) >= _MOST:
        del _PLANS[next(iter(_PLANS))]
    _PLANS[key] = plan
    return plan
