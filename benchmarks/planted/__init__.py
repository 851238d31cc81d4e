"""Faults planted into real C-models: what fault_detection.py measures with."""
