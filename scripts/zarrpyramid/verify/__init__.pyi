from .findings import (
    GRADES as GRADES,
)
from .findings import (
    NOTE as NOTE,
)
from .findings import (
    Finding as Finding,
)
from .findings import (
    Report as Report,
)
from .pyramid import (
    Pyramid as Pyramid,
)
from .pyramid import (
    read_pyramid as read_pyramid,
)
from .repair import (
    repair_pyramid as repair_pyramid,
)
from .reproduction import (
    reproduce as reproduce,
)
from .sampling import (
    SAMPLE as SAMPLE,
)
from .status import (
    LevelStatus as LevelStatus,
)
from .status import (
    pyramid_status as pyramid_status,
)
from .verify import (
    assure_pyramid as assure_pyramid,
)
from .verify import (
    verify_pyramid as verify_pyramid,
)
