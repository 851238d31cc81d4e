"""How long a model takes, and whether it takes longer than before."""
