"""A pyramid as an object of Python: built or opened, looked at, and read by other libraries.

`build_pyramid` and `open_pyramid` in ``making`` return a `Pyramid`. ``pyramid`` is the object,
which opens nothing before it is asked; ``level`` is one level, as an array of zarr or dask;
``labelled`` gives levels to xarray, with coordinates; ``arguments`` says what arguments may be.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
