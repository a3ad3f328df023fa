from .array import (
    SHARDING as SHARDING,
)
from .array import (
    ArrayMetadata as ArrayMetadata,
)
from .array import (
    Document as Document,
)
from .array_v3 import (
    ArrayV3 as ArrayV3,
)
from .consolidated import (
    read_consolidated as read_consolidated,
)
from .consolidated import (
    tell_ancestors as tell_ancestors,
)
from .digests import (
    Tally as Tally,
)
from .documents import (
    put_document as put_document,
)
from .documents import (
    read_document as read_document,
)
from .documents import (
    same_text as same_text,
)
from .encodings import (
    SAME as SAME,
)
from .encodings import (
    encoded_as as encoded_as,
)
from .formats import (
    ARRAY_DOCUMENTS as ARRAY_DOCUMENTS,
)
from .group import (
    find_images as find_images,
)
from .group import (
    levels_there as levels_there,
)
from .group import (
    locate as locate,
)
from .group import (
    object_stats as object_stats,
)
from .group import (
    open_group as open_group,
)
from .listing import (
    carried_over as carried_over,
)
from .listing import (
    with_levels as with_levels,
)
from .listing import (
    without_our_list as without_our_list,
)
from .listing import (
    without_paths as without_paths,
)
from .multiscales import (
    CHANNEL as CHANNEL,
)
from .multiscales import (
    SPACE as SPACE,
)
from .multiscales import (
    TIME as TIME,
)
from .multiscales import (
    Axis as Axis,
)
from .multiscales import (
    axis_type as axis_type,
)
from .multiscales import (
    base_path as base_path,
)
from .multiscales import (
    listed_axes as listed_axes,
)
from .multiscales import (
    listed_paths as listed_paths,
)
from .multiscales import (
    numbers as numbers,
)
from .multiscales import (
    ome_attributes as ome_attributes,
)
from .multiscales import (
    read_axes as read_axes,
)
from .multiscales import (
    read_datasets as read_datasets,
)
from .multiscales import (
    read_multiscales as read_multiscales,
)
from .multiscales import (
    read_transformations as read_transformations,
)
from .nodes import (
    Node as Node,
)
from .nodes import (
    read_array as read_array,
)
from .nodes import (
    read_node as read_node,
)
from .objects import (
    RECORD_ENTRY as RECORD_ENTRY,
)
from .objects import (
    KeyTally as KeyTally,
)
from .objects import (
    tally_keys as tally_keys,
)
from .parsing import (
    parse_array as parse_array,
)
from .paths import (
    LevelPaths as LevelPaths,
)
from .paths import (
    is_inside as is_inside,
)
from .paths import (
    join as join,
)
from .record import (
    RECORD_KEY as RECORD_KEY,
)
from .record import (
    Record as Record,
)
from .record import (
    encode_record as encode_record,
)
from .record import (
    fits as fits,
)
from .record import (
    load_sentinel as load_sentinel,
)
from .record import (
    proofs as proofs,
)
from .record import (
    read_sentinel as read_sentinel,
)
from .record import (
    remove_beyond as remove_beyond,
)
from .record import (
    strict_number as strict_number,
)
from .record import (
    well_formed as well_formed,
)
from .record import (
    write_sentinel as write_sentinel,
)
from .tree import (
    OPENING_DOCUMENT as OPENING_DOCUMENT,
)
from .tree import (
    absent_groups as absent_groups,
)
from .tree import (
    change_group_attributes as change_group_attributes,
)
from .tree import (
    delete_array as delete_array,
)
from .tree import (
    delete_empty_groups as delete_empty_groups,
)
from .tree import (
    hide_array as hide_array,
)
from .tree import (
    make_groups as make_groups,
)
from .tree import (
    write_array as write_array,
)
from .units import (
    SYMBOLS as SYMBOLS,
)
from .units import (
    UNITS as UNITS,
)
from .units import (
    meant_unit as meant_unit,
)
