from .packing import Packed as Packed
from .packing import pack as pack
from .unpacking import unpack as unpack
