"""What the binding of GStreamer leaves behind in a process."""
import subprocess
import sys

WHOSE = '''
import ctypes
import %s
class Place(ctypes.Structure):
    _fields_ = [('file', ctypes.c_char_p), ('base', ctypes.c_void_p),
                ('name', ctypes.c_char_p), ('at', ctypes.c_void_p)]
here = ctypes.CDLL(None)
place = Place()
assert here.dladdr(ctypes.cast(here._Unwind_Resume, ctypes.c_void_p), ctypes.byref(place))
print(place.file.decode())
'''


def test_exceptions_of_libraries_loaded_later_end_in_libgcc():
    """And not in GStreamer's libunwind, where libproxy's ended the process at the first connection to a camera."""
    found = subprocess.check_output([sys.executable, '-c', WHOSE % 'edge_app.gst'])
    assert b'libgcc_s' in found
