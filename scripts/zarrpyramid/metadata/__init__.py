"""The documents of a zarr store: arrays, groups, multiscales, and records that prove a level.

All of them are JSON, read and written here without zarr and numpy, so that planning while Snakemake
parses costs little. Read in this order:

1. `documents`, `paths` and `formats`: JSON objects in a store, keys, and how v2 and v3 spell nodes.
2. `array`: the metadata of one array, of v2 and of v3; `parsing` refuses what is damaged or not
   served, `creation` makes that of a new one, `encodings` gives it another compressor;
   `conventions` has what CF says of numbers.
3. `nodes`, `group`, `tree` and `consolidated`: reading groups and arrays, finding an image's group,
   changing the tree, and keeping the consolidated metadata of all groups above up to date;
   `container` finds the images of plates, series and labels.
4. `multiscales`, `placement`, `versions` and `units`: OME-NGFF in a group's attributes, read;
   `spelling`, `listing`, `omero` and `label_image`: changed; `outer_list` has a level 0 that stands
   beside its group, and `layout` lists the levels by a zarr convention too.
5. `record`, `recipe`, `json_numbers` and `digests`: what a sentinel says of a level, its objects,
   what it was made from, digest and statistics.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
