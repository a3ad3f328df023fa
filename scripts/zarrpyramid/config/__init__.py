"""The settings: each is declared once, and read, checked and explained from that declaration.

`image_configs` makes one `ImageConfig` of each image that a configuration names; everything else
of this program reads these records. `takes_settings` gives `build_pyramid` its keywords. Checking a
configuration imports nothing but the standard library, because a cluster parses the Snakefile in
every job.

In reading order: `settings` (the settings of an image; here a new one is added), `bases` (those of
a level 0 that is not there yet), `run` (the keys of a whole configuration, and the images in it, or
the container that holds them), `samples` (a table of images),
`image` (the record of one image, and what contradicts itself), `names`; below them `declare` (what
is said of a setting), `forms` (what a value may be), `files` (YAML) and `extent` (how much of it is
read). `schema` writes the JSON schema and the signature, and `keywords` for type checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
