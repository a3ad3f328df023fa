from .facts import (
    level_facts as level_facts,
)
from .labels import (
    label_table as label_table,
)
from .labels import (
    report_labels as report_labels,
)
from .neuroglancer import (
    view as view,
)
from .page import (
    report_pyramid as report_pyramid,
)
from .summary import (
    success_lines as success_lines,
)
from .summary import (
    summarize_pyramid as summarize_pyramid,
)
from .summary import (
    write_overview as write_overview,
)
from .viewer_rules import (
    VIEWERS as VIEWERS,
)
from .viewer_rules import (
    lint as lint,
)
