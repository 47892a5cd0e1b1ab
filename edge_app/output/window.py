"""Pictures in windows on this machine's screen. OpenCV's GUI is used only when a window was asked for."""
import ctypes
import ctypes.util
import os
import re

import cv2

from edge_app.output.base import FrameSink, OutputUnavailable

QUIT_KEYS = (ord('q'), ord('Q'), 27)


class WindowSink(FrameSink):
    """One window. `quit` becomes True when q or Esc was pressed in it, or it was closed."""

    def __init__(self, title='edge-app'):
        self.title = title
        self.quit = False
        self._opened = False
        self._size = None
        self._was_visible = False

    def open(self):
        check_gui(cv2.getBuildInformation())
        check_display(os.environ)
        cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._opened = True

    def put(self, meta, pixels):
        if meta.size != self._size:     # at first, and when the mosaic gets another
            self._size = meta.size
            cv2.resizeWindow(self.title, *meta.size)
        cv2.imshow(self.title, cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420))
        key = cv2.waitKey(1) & 0xFF
        visible = cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        # Some builds never report a window as visible: only one that was visible can have been closed.
        self.quit = self.quit or key in QUIT_KEYS or (self._was_visible and not visible)
        self._was_visible = self._was_visible or visible
        return True

    def close(self):
        if self._opened:
            self._opened = False
            cv2.destroyWindow(self.title)


class CameraWindowSink(WindowSink):
    """A window for each camera, and none for the mosaic."""

    @classmethod
    def for_mosaic(cls, output, context):
        return None

    @classmethod
    def for_camera(cls, output, context, camera, share):
        return cls(camera)


def check_gui(build_information):
    """OutputUnavailable when this OpenCV was built without windows."""
    found = re.search(r'^\s*GUI:\s*(\S+)', build_information, re.MULTILINE)
    if found and found.group(1) == 'NONE':
        raise OutputUnavailable('window: this OpenCV was built without windows; use an rtsp:// output, or replace it: '
                                'pip uninstall opencv-python-headless, pip install opencv-python')


def check_display(environment):
    """OutputUnavailable without a screen: Qt and GTK would end the process without an error the caller could see."""
    if environment.get('WAYLAND_DISPLAY'):
        return
    if not environment.get('DISPLAY'):
        raise OutputUnavailable('window: there is no display; set DISPLAY (DISPLAY=:0 on a Jetson with a screen), '
                                'or use an rtsp:// output')
    library = ctypes.util.find_library('X11')
    if library and not _x11_answers(ctypes.CDLL(library)):
        raise OutputUnavailable('window: the display %s does not answer; is the X server running and may this user '
                                'use it (xhost)? Or use an rtsp:// output' % environment['DISPLAY'])


def _x11_answers(x11):
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(display)
    return bool(display)
