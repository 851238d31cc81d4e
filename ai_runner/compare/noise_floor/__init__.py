"""The error that a layer introduces, told from the differences that correct kernels have among themselves."""
