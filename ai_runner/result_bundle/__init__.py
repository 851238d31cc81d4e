"""A result bundle on disk, read as if it came from a stranger.

A bundle is a folder, or a .zip of one: ``manifest.json`` (schema ``ai-runner/bundle/1``) with size and SHA-256 of every
other file. What does not fit it is one `InvalidModelError`; nothing in a bundle is ever executed, unpickled or written
anywhere.
"""
