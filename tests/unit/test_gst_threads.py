"""What Python knows of GStreamer's streaming threads: kept while they live, gone when they are."""
import json
import subprocess
import sys

PROGRAM = """
import ctypes, json, sys, threading, time
from edge_app.gst import Gst, end_idle_threads, keep_thread_state

python, here, seen = ctypes.pythonapi, threading.local(), []
python.PyInterpreterState_Head.restype = ctypes.c_void_p
python.PyInterpreterState_ThreadHead.restype = ctypes.c_void_p
python.PyInterpreterState_ThreadHead.argtypes = [ctypes.c_void_p]
python.PyThreadState_Next.restype, python.PyThreadState_Next.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def states():
    count, state = 0, python.PyInterpreterState_ThreadHead(python.PyInterpreterState_Head())
    while state:
        count, state = count + 1, python.PyThreadState_Next(state)
    return count

def on_buffer(pad, info):
    if sys.argv[1] == 'keep_thread_state':
        keep_thread_state()
    here.calls = getattr(here, 'calls', 0) + 1
    seen.append(here.calls)
    return Gst.PadProbeReturn.OK

def session():
    pipeline = Gst.parse_launch('fakesrc num-buffers=4 ! fakesink name=sink')
    pipeline.get_by_name('sink').get_static_pad('sink').add_probe(Gst.PadProbeType.BUFFER, on_buffer)
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_bus().timed_pop_filtered(30 * Gst.SECOND, Gst.MessageType.EOS)
    pipeline.set_state(Gst.State.NULL)

end_idle_threads()
before = states()
for _ in range(5):
    session()
deadline = time.monotonic() + 10
while states() > before and time.monotonic() < deadline:
    time.sleep(0.01)
print(json.dumps({'left': states() - before, 'seen': seen}))
"""


def sessions(how):
    """Five pipelines of four buffers each: thread states left, and which call to its thread's state a callback was."""
    return json.loads(subprocess.check_output([sys.executable, '-c', PROGRAM, how], timeout=60).decode())


def test_python_knows_a_thread_from_one_callback_to_the_next():
    assert set(sessions('go')['seen']) == {1}
    assert sessions('keep_thread_state')['seen'][:4] == [1, 2, 3, 4]


def test_a_thread_that_has_ended_is_forgotten():
    assert sessions('keep_thread_state')['left'] == 0
