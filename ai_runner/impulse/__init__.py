"""What an Edge Impulse model says of itself and replies, the same for every way to run one.

`hello`: the description that a runtime gives once. `features`: what it may be given. `result`: replies as arrays, one
named output a field.
`description`: both in the words of ai_runner.model.
"""
