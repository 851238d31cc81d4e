"""The other end of the wire: message schemas and a firmware that speaks them."""
