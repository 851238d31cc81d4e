"""What is odd about a target apart from its numbers' distance: its tensors by themselves, and what it declares."""
