"""Where cuda-python 12.6 and later keep them: `from cuda.bindings import driver, runtime`."""
