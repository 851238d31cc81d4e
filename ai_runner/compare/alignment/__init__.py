"""Which of a target's tensors is which of the reference's: layers, inputs and outputs, labels."""
