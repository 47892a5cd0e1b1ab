"""What one setting cannot know of another: names used twice, two passwords for one camera, paths that collide."""
from edge_app.config import uris
from edge_app.config.schema import MASK, RESERVED_NAMES
from edge_app.frames import frame_bytes

LOOPBACK = ('127.0.0.1', 'localhost', '::1')
LEAST_SLOTS = 3
"""Of a ring: one frame being written, one being read, the newest."""


def apply(config, problems):
    """Check a draft of a whole configuration, and take passwords out of its URIs."""
    if config.cameras == ():
        problems.add(('cameras',), "no cameras: add one, such as '- {name: gate, uri: \"rtsp://host/path\"}'")
    for name in ('cameras', 'outputs', 'sinks'):  # what could not be read has been complained of
        setattr(config, name, getattr(config, name) or ())
    for index, camera in enumerate(config.cameras):
        _camera(camera, ('cameras', index), problems)
    for index, output in enumerate(config.outputs):
        _output(output, ('outputs', index), problems)
    _names(config.cameras, problems)
    _mounts(config, problems)
    _web(config.web, problems)
    _memory(config, problems)


def _camera(camera, path, problems):
    _warn_of_mask(camera, path, problems)
    _split(camera, 'uri', path, problems)
    _split(camera, 'record_uri', path, problems)
    if camera.max_fps is not None and camera.min_fps is not None and camera.min_fps > camera.max_fps:
        problems.add(path + ('min_fps',), 'must not be above max_fps, which is %g' % camera.max_fps)
    if camera.password and not camera.user:
        problems.warn(path + ('password',), 'a password without a user: most cameras want both')


def _warn_of_mask(section, path, problems):
    if section.password == MASK:
        problems.warn(path + ('password',), "'%s' is what a dump shows instead of the password: write ${NAME}" % MASK)


def _split(section, name, path, problems):
    """Move user and password from a URI into their settings; two different ones are a mistake."""
    uri = getattr(section, name)
    if not uri:
        return
    found = uris.split_credentials(uri)
    if found.uri == uri:
        return
    setattr(section, name, found.uri)
    given = (section.user, section.password)
    if any(given) and given != (found.user, found.password):
        problems.add(path + (name,), 'holds another user or password than the settings beside it: leave it out here')
    section.user, section.password = found.user, found.password


def _output(output, path, problems):
    _warn_of_mask(output, path, problems)
    _split(output, 'uri', path, problems)
    if not output.uri or uris.scheme_of(output.uri) != 'rtsp':
        return
    host, _ = uris.host_port(output.uri, 8554)
    if uris.path_of(output.uri) in ('', '/'):
        problems.add(path + ('uri',), 'needs a path, such as rtsp://127.0.0.1:8554/mosaic')
    if host not in LOOPBACK and not output.password:
        problems.warn(path + ('uri',), 'anyone who reaches %s can watch: set user and password' % host)


def _names(cameras, problems):
    first = {}
    for index, camera in enumerate(cameras):
        path = ('cameras', index, 'name')
        if camera.name in RESERVED_NAMES:
            problems.add(path, "'%s' is reserved: it is the address of the mosaic" % camera.name)
        elif camera.name in first:
            problems.add(path, "'%s' is the name of cameras[%d] already" % (camera.name, first[camera.name]))
        elif camera.name:
            first[camera.name] = index
    for name, index in first.items():
        if name.endswith('_annotated') and name[:-len('_annotated')] in first:
            problems.add(('cameras', index, 'name'), "'%s' is the address of that camera's annotated view" % name)


def _mounts(config, problems):
    """Every RTSP address is served once."""
    taken = {}
    for index, output in enumerate(config.outputs):
        if output.uri and uris.scheme_of(output.uri) == 'rtsp':
            mount = uris.host_port(output.uri, 8554) + (uris.path_of(output.uri).rstrip('/'),)
            owner = taken.setdefault(mount, 'outputs[%d]' % index)
            if owner != 'outputs[%d]' % index:
                problems.add(('outputs', index, 'uri'), 'is the address of %s already: take another path' % owner)
            _views(config.cameras, output, mount, index, problems)


def _views(cameras, output, mount, index, problems):
    views = [(output.raw, '/%s'), (output.annotated, '/%s_annotated')]
    for camera in cameras:
        taken = any(served and mount[2] == shape % camera.name for served, shape in views)
        if taken and camera.name and camera.name not in RESERVED_NAMES:
            problems.add(('outputs', index, 'uri'), "is the address of camera '%s': take another path" % camera.name)


def _web(web, problems):
    if web.enabled and web.host and web.host not in LOOPBACK:
        problems.warn(('web', 'host'), 'the page asks for no password: anyone who reaches %s can use it' % web.host)


def _memory(config, problems):
    rings = sum(LEAST_SLOTS * frame_bytes(*camera.size) for camera in config.cameras if camera.size and camera.enabled)
    needed = -(-rings // 2 ** 20)
    if config.memory_mb and config.memory_mb < needed:
        problems.add(('memory_mb',), 'the rings of these cameras need %d, not %d; or give smaller sizes'
                     % (needed, config.memory_mb))
