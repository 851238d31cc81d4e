"""`bundle:PATH`: a runtime that answers from the outputs that a bundle has kept."""
