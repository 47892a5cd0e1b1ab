#!/usr/bin/python
# Python 2, as the one in the package
import sys
print 'rollback configuration of %s' % sys.argv[1]
