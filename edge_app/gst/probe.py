"""`python -m edge_app.gst.probe`: the installed GStreamer, as JSON on stdout.

For programs that must not load GStreamer themselves.
"""
import json

from edge_app.errors import EdgeAppError

ELEMENTS = ('appsink', 'appsrc', 'capsfilter', 'queue', 'tee', 'valve', 'parsebin', 'videoconvert', 'videoscale',
            'rtspsrc', 'rtph264depay', 'rtph265depay', 'rtph264pay', 'h264parse', 'h265parse', 'filesrc', 'qtdemux',
            'souphttpsrc', 'v4l2src', 'jpegdec', 'jpegparse', 'videoflip')
"""Elements of the pipelines, besides decoder and encoder."""
CODECS = ('h264', 'h265')


def probe():
    """{version, missing: [{element, package}], choices: [{what, name, why}], troubles: [sentence]}."""
    try:
        from edge_app import gst
    except EdgeAppError as error:
        return {'version': None, 'missing': [], 'choices': [], 'troubles': [str(error)]}
    from edge_app.gst.binding import package_of
    found = {'version': gst.version(), 'troubles': [], 'choices': [],
             'missing': [{'element': element, 'package': package_of(element)}
                         for element in ELEMENTS if not gst.has_element(element)]}
    looks = [(_choice, codec + ' decoder', gst.choose_decoder, codec) for codec in CODECS]
    looks += [(_choice, 'h264 encoder', gst.choose_encoder), (getattr, gst.GstRtspServer, 'RTSPServer')]
    for look in looks:
        try:
            seen = look[0](*look[1:])
            found['choices'] += [seen] if isinstance(seen, dict) else []
        except EdgeAppError as error:
            found['troubles'].append(str(error))
    return found


def _choice(what, choose, *arguments):
    row, why = choose(*arguments)
    return {'what': what, 'name': row.name, 'why': why}


if __name__ == '__main__':
    print(json.dumps(probe()))
