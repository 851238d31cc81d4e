"""Any driver in a child process, so that its crash is an error and not the end.

The parent starts ``python -P -m ai_runner.isolation`` and talks with it over its standard input and output::

    request    {"do": "open" | "invoke" | "extension" | "close", ...}
    event      {"event": "on_sample_end", ...}      while a batch runs, answered by {"answer": ...} or {"abandon": true}
    reply      {"result": ...} or {"error": ...}

Messages are JSON with bytes behind it (`channel`, `values`); the tensors of a batch go through shared memory that the
parent makes for the call and removes (`blocks`). Nothing that arrives is executed or unpickled.
"""

from __future__ import annotations

from ai_runner.isolation.driver import IsolatedDriver

__all__ = ["IsolatedDriver"]
