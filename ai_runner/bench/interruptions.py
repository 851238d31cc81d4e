"""Whether another process had the processor during a run."""

from __future__ import annotations


def interruptions() -> int:
    """How often the scheduler took the processor away from this thread so far, or from this process where the system
    counts by process; always 0 where it does not count."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nivcsw
