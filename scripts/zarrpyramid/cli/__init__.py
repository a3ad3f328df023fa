"""The command line: what `zarrpyramid --help` lists.

A command reads its arguments, calls one function of the library and prints. Imports of a
command stand inside it, so that `--help` loads none of them.

It gives `main` to the program `zarrpyramid`. Its files in reading order:

- `program`: the parser, and how a command is found, run and answered when something is wrong.
- `arguments`: what commands share: the path of an image, the options of a URL, and how they answer.
- `make`: `plan` and `build`.
- `look`: `info`, `status`, `view` and `lint`.
- `prove`: `verify`, `reproduce` and `digest`, of any arrays.
- `share`: `pack` and `unpack`, a pyramid in a single file.
- `keep`: `unlock` and `clean`.
- `set_up`: `workflow` with `layouts`, the files that it copies, and `completion`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
