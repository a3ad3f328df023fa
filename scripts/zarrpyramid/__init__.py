"""Image pyramids for zarr arrays, exact to the bit."""

__version__ = "0.1.0"
