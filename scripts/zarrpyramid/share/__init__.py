"""A pyramid in a single file, to be sent and kept: RFC-9 of OME-NGFF (`.ozx`).

`pack` writes a group of a store into a new archive; `unpack` makes the folder of it again, equal to
the byte. Both write under another name, flush, and rename at the end: a run that is killed leaves
nothing that looks complete. What reads an archive is a store of `stores`, so that all packages read
one as they read a folder; `verify` checks its seal.

Read `packing`, then `unpacking`; `new_place` is what they share: a new file or folder, and room.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
