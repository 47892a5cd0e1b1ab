"""With this folder on PYTHONPATH every Python process has a Jetson's elements as soon as it calls Gst.init.

Python imports a `sitecustomize` by itself, so restarted workers have them too, and no program needs a hook
for it. A process that never uses GStreamer does not load it here either.
"""
import importlib
import importlib.util
import sys

NAME = 'gi.repository.Gst'


class AfterGst(object):
    """A finder that lets the real ones import Gst and then puts a step behind its `init`."""

    def find_spec(self, name, path=None, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        self.module = importlib.import_module(name)
        _extend(self.module)
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        """It has run already."""


def _extend(module):
    real = module.init

    def init(arguments):
        result = real(arguments)
        import jetson_elements
        jetson_elements.register()
        return result

    module.init = init


sys.meta_path.insert(0, AfterGst())
