"""A validation recorded with its outputs while it runs, and measured again later under other tolerances."""
