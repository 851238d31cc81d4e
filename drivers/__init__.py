"""The runtimes, one folder each. Only ai_runner.registry knows that they exist."""
