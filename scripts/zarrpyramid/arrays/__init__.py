"""The chunks of one array: read, decoded, encoded and written by their place in its grid.

`open_chunks` gives a level's job the chunks of its source and of its target. Usual codecs are done
here, without zarr-python, which takes 2.2 to 3.3 times the CPU and 0.3 s to import; all others go
through zarr-python behind the same interface, and both give the same bytes.

Read `chunks` first (what every engine offers), then `engine` (which one is taken), `direct` (ours)
with `codecs` (a chunk's bytes to voxels), `compressors` and `shards` (where a chunk stands in a
shard). `foreign` is the engine of all other codecs: `bounds` checks what a chunk would decode to.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
