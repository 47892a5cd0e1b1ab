#!/usr/bin/python
import sys
print('%s: Python 2 and 3' % sys.argv[0])
