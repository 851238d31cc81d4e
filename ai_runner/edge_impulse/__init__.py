"""Edge Impulse for people who know its own tools: the classes of the Linux SDK, data to Studio, libraries from it."""
