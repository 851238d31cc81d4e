"""The way from the trained model to a target, and the share of each stage in the error."""
