from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("kernels", max_examples=int(os.environ.get("KERNEL_EXAMPLES", "50")), deadline=None)
