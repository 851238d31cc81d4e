"""Shared libraries of this host: what a file says it is before the loader sees it, and loading it for good measure.

`inspection` reads headers and exported symbols (ELF, PE, Mach-O) out of untrusted bytes; `image` loads a private copy
and really unloads it.
"""
