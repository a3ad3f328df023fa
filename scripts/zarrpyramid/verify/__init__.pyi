from .findings import (
    Report as Report,
)
from .repair import (
    repair_pyramid as repair_pyramid,
)
from .reproduce import (
    reproduce as reproduce,
)
from .verify import (
    SAMPLE as SAMPLE,
)
from .verify import (
    assure_pyramid as assure_pyramid,
)
from .verify import (
    verify_pyramid as verify_pyramid,
)
