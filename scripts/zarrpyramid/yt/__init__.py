"""Pyramids as datasets of yt, and fields of yt's datasets as pyramids.

`load_pyramid` hands the chunks of all levels to yt as grids, `sample_fields` writes fields of a
dataset as images with pyramids, `write_viewer_field` a companion of a field for viewers that do not
show float64. yt itself is imported when one of them is called: the extra ``yt`` brings it.

Read `ladder` first (the levels that yt can have as refinements), then `grids` (their boxes), both
integers alone; `voxels` reads a box, `frame` places it in space, `fields` opens a field by all of
these, `importing` brings yt, and `dataset` is the recipe. The other way, `level_0` writes a base
box by box, for `sampling` and `viewer_copy`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
