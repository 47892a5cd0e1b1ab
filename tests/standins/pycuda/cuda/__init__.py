"""Stand-in for cuda-python (12): `from cuda import cuda, cudart`."""
