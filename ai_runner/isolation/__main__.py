"""The child process of `IsolatedDriver`."""

from __future__ import annotations

from ai_runner.isolation.child import main

if __name__ == "__main__":
    main()
