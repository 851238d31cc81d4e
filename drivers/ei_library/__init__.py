"""`ei:PATH`: an Edge Impulse C++ library that was compiled as a shared library of this host."""
