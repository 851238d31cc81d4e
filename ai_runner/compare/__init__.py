"""Numbers about runs of one model on several runtimes: metrics, layer alignment, tolerance, verdict.

Nothing here knows a driver: models and profiles come in, frozen results go out.
"""
