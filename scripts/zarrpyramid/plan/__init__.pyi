from .cut import (
    BLOCK_BYTES as BLOCK_BYTES,
)
from .cut import (
    FEW as FEW,
)
from .cut import (
    compiled_pays as compiled_pays,
)
from .cut import (
    is_aligned as is_aligned,
)
from .cut import (
    shared_block_bytes as shared_block_bytes,
)
from .cut import (
    spread_threads as spread_threads,
)
from .cut import (
    task_bytes as task_bytes,
)
from .cut import (
    task_extents as task_extents,
)
from .image import (
    MOST_COUNTED as MOST_COUNTED,
)
from .image import (
    OBJECT_KEY as OBJECT_KEY,
)
from .image import (
    BaseLayout as BaseLayout,
)
from .image import (
    Image as Image,
)
from .image import (
    base_layout as base_layout,
)
from .image import (
    base_record as base_record,
)
from .image import (
    check_declared as check_declared,
)
from .image import (
    expected_objects as expected_objects,
)
from .image import (
    level_metadata as level_metadata,
)
from .image import (
    levels_beside as levels_beside,
)
from .image import (
    missing_objects as missing_objects,
)
from .image import (
    open_image as open_image,
)
from .image import (
    our_levels as our_levels,
)
from .image import (
    read_level as read_level,
)
from .image import (
    record_of as record_of,
)
from .image import (
    source_layout as source_layout,
)
from .image import (
    stored_objects as stored_objects,
)
from .image import (
    watched_by as watched_by,
)
from .image import (
    why_incomplete as why_incomplete,
)
from .image import (
    why_remade as why_remade,
)
from .levels import (
    VOXEL_REVISION as VOXEL_REVISION,
)
from .levels import (
    LevelPlan as LevelPlan,
)
from .levels import (
    describe_level as describe_level,
)
from .levels import (
    made_base as made_base,
)
from .levels import (
    provenance as provenance,
)
from .levels import (
    times as times,
)
from .levels import (
    voxel_size as voxel_size,
)
from .needs import (
    PROCESS_BYTES as PROCESS_BYTES,
)
from .needs import (
    Need as Need,
)
from .needs import (
    base_need as base_need,
)
from .needs import (
    documents_need as documents_need,
)
from .needs import (
    expectation as expectation,
)
from .needs import (
    level_need as level_need,
)
from .needs import (
    level_timings as level_timings,
)
from .needs import (
    measured_rate as measured_rate,
)
from .needs import (
    peak_memory as peak_memory,
)
from .needs import (
    read_timing as read_timing,
)
from .places import (
    LITTER_KEY as LITTER_KEY,
)
from .places import (
    check_base_place as check_base_place,
)
from .places import (
    check_place as check_place,
)
from .places import (
    check_places as check_places,
)
from .places import (
    check_room as check_room,
)
from .places import (
    is_foreign as is_foreign,
)
from .places import (
    is_taken as is_taken,
)
from .places import (
    left_overs as left_overs,
)
from .places import (
    nested_images as nested_images,
)
from .places import (
    taken_as as taken_as,
)
from .preflight import (
    forecast as forecast,
)
from .source import (
    BASE_KEY as BASE_KEY,
)
from .source import (
    COPY_KEY as COPY_KEY,
)
from .source import (
    SEEN_KEY as SEEN_KEY,
)
from .source import (
    Source as Source,
)
from .source import (
    trust_linked_base as trust_linked_base,
)
