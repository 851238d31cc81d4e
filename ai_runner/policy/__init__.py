"""What a validation is held to: a policy, its rules, and whether two runs can be compared at all.

Rules look at the report of a validation (schema ``ai-runner/validation/1``) and at nothing else, so that a run that has
just ended, a report file and a bundle are judged by the same code.
"""
