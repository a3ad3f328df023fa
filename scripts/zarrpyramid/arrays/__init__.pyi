from .chunks import Block as Block
from .chunks import Chunks as Chunks
from .chunks import chunk_region as chunk_region
from .chunks import chunks_of_object as chunks_of_object
from .chunks import native_dtype as native_dtype
from .chunks import read_chunk as read_chunk
from .chunks import scratch as scratch
from .engine import open_chunks as open_chunks
