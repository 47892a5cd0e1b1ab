"""Stand-in for pycuda over gpu_standin: what programs that run networks use of it."""
VERSION = (2022, 1)
VERSION_STATUS = ''
VERSION_TEXT = '2022.1'
