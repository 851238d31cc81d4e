"""``python -m ai_runner.cli`` is ``ai-runner``."""

from __future__ import annotations

import sys

from ai_runner.cli import main

if __name__ == "__main__":
    sys.exit(main())
