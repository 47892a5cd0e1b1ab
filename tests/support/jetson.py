"""A Jetson for tests: the environment in which processes have its elements, and one that tries pipelines on them.

    with CaptureProcess(tmp_path, uri, env=jetson.environment('tx2', bugs='hang=50')) as capture: ...
    jetson.tried(['videotestsrc num-buffers=5 ! nvvidconv ! fakesink name=end'], board='orin')
"""
import itertools
import json
import os
import subprocess
import sys
import time

from tests.support import sources

FOLDER = os.path.join(sources.ROOT, 'tests', 'standins', 'gst_jetson')
BOARDS = ('tx2', 'orin')
PATIENCE_S = 30


def environment(board='tx2', bugs='', once=None):
    """What to add to a process's environment; bugs as tests/standins/gst_jetson/jetson_bugs.py reads them."""
    paths = [FOLDER] + [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
    found = {'PYTHONPATH': os.pathsep.join(paths), 'JETSON_STANDIN': board, 'JETSON_STANDIN_BUGS': bugs}
    if once is not None:
        found['JETSON_STANDIN_ONCE'] = str(once)
    return found


def asked(question, board='tx2', bugs=''):
    """The answer of a process that has the elements."""
    done = subprocess.run([sys.executable, '-m', 'tests.support.jetson'], input=json.dumps(question),
                          stdout=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, **environment(board, bugs)), cwd=sources.ROOT)
    return json.loads(done.stdout)


def tried(lines, board='tx2', bugs='', patience_s=PATIENCE_S):
    """[{refused, end, frames, sets, caps, first_s, rss_mb}] of launch lines, played to their end: `eos`, `error`, or
    `nothing` after `patience_s`. Looked at is what comes to the element called `end`; `sets` are units with an SPS."""
    return asked({'lines': lines, 'patience_s': patience_s}, board, bugs)


def properties(element, board):
    """{property: {kind, low, high, default, value, writable}} of a new element."""
    return asked({'element': element}, board)


def main():
    """The process asked: what it does it does with GStreamer alone, nothing of ours."""
    import gi
    gi.require_version('Gst', '1.0')
    from gi.repository import Gst
    Gst.init(None)
    question = json.load(sys.stdin)
    if 'element' in question:
        answer = _described(Gst.ElementFactory.make(question['element'], None))
    else:
        answer = [_played(Gst, line, question['patience_s']) for line in question['lines']]
    print(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # a pipeline that hangs is not waited for


def _described(element):
    found = {}
    for spec in element.list_properties():
        value = element.get_property(spec.name) if spec.value_type.name != 'GstObject' else None
        found[spec.name] = {
            'kind': spec.value_type.name,
            'low': getattr(spec, 'minimum', None), 'high': getattr(spec, 'maximum', None),
            'default': _plain(getattr(spec, 'default_value', None)), 'value': _plain(value),
            'writable': bool(spec.flags & 2)}
    return found


def _plain(value):
    return value if isinstance(value, (bool, str, type(None))) else int(value) if hasattr(value, '__int__') else None


def _played(Gst, line, patience_s):
    from gi.repository import GLib
    try:
        pipeline = Gst.parse_launch(line)
    except GLib.Error as error:
        return {'refused': error.message}
    unknown = _unknown_property(Gst, line)
    if unknown:
        return {'refused': unknown}
    frames, sets, started = [], [], time.monotonic()

    def count(pad, probe):
        frames.append(time.monotonic())
        start = probe.get_buffer().extract_dup(0, 64)
        sets.extend(part for part in start.split(b'\0\0\1')[1:] if ord(part[:1]) & 31 == 7)
        return Gst.PadProbeReturn.OK

    pad = pipeline.get_by_name('end').get_static_pad('sink')
    pad.add_probe(Gst.PadProbeType.BUFFER, count)
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS
    message = pipeline.get_bus().timed_pop_filtered(patience_s * Gst.SECOND, kinds)
    caps = pad.get_current_caps()
    found = {'refused': None, 'end': message.type.first_value_nick if message else 'nothing', 'frames': len(frames),
             'sets': len(sets), 'caps': caps and caps.to_string(),
             'first_s': frames[0] - started if frames else None, 'rss_mb': _rss_mb()}
    if message is not None:
        pipeline.set_state(Gst.State.NULL)
    return found


def _unknown_property(Gst, line):
    """A property that an element of this launch line has not, '' without one.

    The stand-ins are bins, and of a bin GStreamer 1.18 takes every name, for a child might come that has it.
    """
    for words in (part.split() for part in line.split(' ! ')):
        element = Gst.ElementFactory.make(words[0], None)
        given = itertools.takewhile(lambda word: '=' in word, words[1:] if element is not None else [])
        for name in (word.split('=')[0] for word in given):
            if element.find_property(name) is None:
                return 'no property %r in element %r' % (name, words[0])
    return ''


def _rss_mb():
    with open('/proc/self/statm') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2.0 ** 20


if __name__ == '__main__':
    main()
