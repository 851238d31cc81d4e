"""How well every runtime does what the model is for: its answers against labels, and those that changed."""
