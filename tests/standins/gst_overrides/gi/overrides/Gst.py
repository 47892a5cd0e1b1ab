"""What gst-python lays over PyGObject's Gst, as far as it changes what a program sees: for interpreters without it.

Same names and behaviour as the overrides of GStreamer 1.22 (gst-python is compiled per interpreter, Debian has it for
its own only): pads that raise when they do not link, bins that return nothing, buffers mapped by a context manager,
caps with a length, structures with items, and calls refused before Gst.init.
"""
from gi.module import get_introspection_module
from gi.overrides import override

Gst = get_introspection_module('Gst')
__all__ = []


def public(cls):
    __all__.append(cls.__name__)
    return cls


def overriding(cls):
    return public(override(cls))


@public
class LinkError(Exception):
    pass


@public
class AddError(Exception):
    pass


@public
class NotInitialized(Exception):
    pass


@public
class Fraction:
    def __init__(self, num, denom=1):
        self.num, self.denom = num, denom


@overriding
class Bin(Gst.Bin):
    def __init__(self, name=None):
        Gst.Bin.__init__(self, name=name)

    def add(self, *elements):
        for element in elements:
            if not Gst.Bin.add(self, element):
                raise AddError(element)


@overriding
class Pipeline(Gst.Pipeline):
    def __init__(self, name=None):
        Gst.Pipeline.__init__(self, name=name)


@overriding
class Caps(Gst.Caps):
    def __str__(self):
        return self.to_string()

    def __getitem__(self, index):
        if index >= self.get_size():
            raise IndexError('structure index out of range')
        return self.get_structure(index)

    def __len__(self):
        return self.get_size()


@overriding
class Pad(Gst.Pad):
    def link(self, pad):
        result = Gst.Pad.link(self, pad)
        if result != Gst.PadLinkReturn.OK:
            raise LinkError(result)
        return result

    def query_caps(self, filter=None):
        return Gst.Pad.query_caps(self, filter)


@overriding
class Structure(Gst.Structure):
    def __getitem__(self, key):
        return self.get_value(key)

    def __str__(self):
        return self.to_string()


@overriding
class ElementFactory(Gst.ElementFactory):
    @classmethod
    def make(cls, factory_name, instance_name=None):
        return Gst.ElementFactory.make(factory_name, instance_name)


class Mapping:
    """Neither a tuple nor a bool any more."""

    def __init__(self, buffer):
        self.data = memoryview(bytearray(buffer.extract_dup(0, buffer.get_size())))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None


@overriding
class Buffer(Gst.Buffer):
    def map(self, flags):
        return Mapping(self)


_real_init = Gst.init
_find = Gst.ElementFactory.find


def _refuse(*_):
    raise NotInitialized('Please call Gst.init(argv) before using GStreamer')


def _init(argv):
    Gst.ElementFactory.find = _find
    return _real_init(argv)


Gst.ElementFactory.find = _refuse
Gst.init = _init
