"""AiRunner: one object, many runtimes, one verdict."""

__version__ = "0.1.0"
