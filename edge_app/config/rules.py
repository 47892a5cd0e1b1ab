"""Rules that involve several settings: names used twice, two passwords for one camera, colliding paths."""
from edge_app import uris
from edge_app.config.problems import shown_path
from edge_app.config.schema import MASK, RESERVED_NAMES
from edge_app.frames import frame_bytes
from edge_app.schemes import OUTPUTS

LEAST_SLOTS = 3
"""Of a ring: the frame being written, the one being read, the newest."""


def apply(config, problems):
    """Check a partial Config, and move passwords out of its URIs."""
    if config.cameras == ():
        problems.add(('cameras',), "no cameras: add one, such as '- {name: gate, uri: \"rtsp://host/path\"}'")
    for name in ('cameras', 'outputs', 'sinks'):  # what could not be read has been reported
        setattr(config, name, getattr(config, name) or ())
    for index, camera in enumerate(config.cameras):
        _camera(camera, ('cameras', index), problems)
    for index, output in enumerate(config.outputs):
        _output(output, ('outputs', index), problems)
    for index, sink in enumerate(config.sinks):
        _sink(sink, ('sinks', index), problems)
    _names(config.cameras, problems)
    _mounts(config, problems)
    _ports(config, problems)
    _web(config.web, config.tls, problems)
    _tls(config, problems)
    _memory(config, problems)


def _sink(sink, path, problems):
    if sink.max_mb and sink.uri and uris.scheme_of(sink.uri) != 'file':
        problems.warn(path + ('max_mb',), 'has no effect: %s is no file' % sink.uri)


def _camera(camera, path, problems):
    _warn_of_mask(camera, path, problems)
    _split(camera, 'uri', path, problems)
    _split(camera, 'record_uri', path, problems)
    if camera.max_fps is not None and camera.min_fps is not None and camera.min_fps > camera.max_fps:
        problems.add(path + ('min_fps',), 'must not be above max_fps, which is %g' % camera.max_fps)
    if camera.record_uri:
        problems.warn(path + ('record_uri',), 'has no effect yet')
    if camera.password and not camera.user:
        problems.warn(path + ('password',), 'a password without a user: most cameras need both')


def _warn_of_mask(section, path, problems):
    for name in ('password', 'token', 'password_hash'):
        if getattr(section, name, None) == MASK:
            problems.warn(path + (name,), "'%s' is what a dump shows instead of the %s: write ${NAME}" % (
                MASK, name.partition('_')[0]))


def _split(section, name, path, problems):
    """Move user and password from a URI into their settings; contradicting ones are a mistake."""
    uri = getattr(section, name)
    if not uri:
        return
    found = uris.split_credentials(uri)
    if found.uri == uri:
        return
    setattr(section, name, found.uri)
    if not uris.is_escaped(uri):
        problems.warn(path + (name,), 'other programs may read its user and password differently: ' + uris.ESCAPES)
    given = (section.user, section.password)
    if any(given) and given != (found.user, found.password):
        problems.add(path + (name,), 'contains another user or password than the settings beside it: remove it here')
    section.user, section.password = found.user, found.password


def _output(output, path, problems):
    _warn_of_mask(output, path, problems)
    _split(output, 'uri', path, problems)
    if not _listens(output):
        return
    host, _ = uris.host_port(output.uri, OUTPUTS)
    if uris.path_of(output.uri) in ('', '/'):
        problems.add(path + ('uri',), 'needs a path, such as rtsp://127.0.0.1:8554/mosaic')
    if bool(output.user) != bool(output.password):
        problems.add(path + ('user',), 'user and password go together: set both or none')
    elif not uris.is_loopback(host) and not output.password:
        problems.add(path + ('uri',), 'anyone who can reach %s could watch: set user and password, or use 127.0.0.1'
                     % host)


def _listens(output):
    """Whether an output listens on an address of this machine."""
    return bool(output.uri) and OUTPUTS[uris.scheme_of(output.uri)].listens


def _names(cameras, problems):
    first = {}
    for index, camera in enumerate(cameras):
        path = ('cameras', index, 'name')
        if camera.name in RESERVED_NAMES:
            problems.add(path, "'%s' is reserved for the mosaic" % camera.name)
        elif camera.name in first:
            problems.add(path, "'%s' is already the name of cameras[%d]" % (camera.name, first[camera.name]))
        elif camera.name:
            first[camera.name] = index
    for name, index in first.items():
        if name.endswith('_annotated') and name[:-len('_annotated')] in first:
            problems.add(('cameras', index, 'name'), "'%s' is the address of that camera's annotated view" % name)


def _mounts(config, problems):
    """Every RTSP address may be served only once."""
    taken, schemes = {}, {}
    for index, output in enumerate(config.outputs):
        if _listens(output):
            scheme = uris.scheme_of(output.uri)
            if schemes.setdefault(uris.host_port(output.uri, OUTPUTS), scheme) != scheme:
                problems.add(('outputs', index, 'uri'), 'rtsp:// and rtsps:// need different ports: use another port')
            mount = uris.host_port(output.uri, OUTPUTS) + (uris.path_of(output.uri).rstrip('/'),)
            owner = taken.setdefault(mount, 'outputs[%d]' % index)
            if owner != 'outputs[%d]' % index:
                problems.add(('outputs', index, 'uri'), 'is already the address of %s: use another path' % owner)
            _views(config.cameras, output, mount, index, problems)


def _views(cameras, output, mount, index, problems):
    views = [(output.raw, '/%s'), (output.annotated, '/%s_annotated')]
    for camera in cameras:
        taken = any(served and mount[2] == shape % camera.name for served, shape in views)
        if taken and camera.name and camera.name not in RESERVED_NAMES:
            problems.add(('outputs', index, 'uri'), "is the address of camera '%s': use another path" % camera.name)


def _ports(config, problems):
    """The page has a port of its own, and outputs share one only at the same address."""
    places = [(('outputs', index, 'uri'), uris.host_port(output.uri, OUTPUTS))
              for index, output in enumerate(config.outputs) if _listens(output)]
    if config.web.enabled and config.web.host and config.web.port:
        places.append((('web', 'port'), (config.web.host, config.web.port)))
    for number, (path, address) in enumerate(places):
        for other, taken in places[:number]:
            if uris.overlap(address, taken) and (address != taken or path[0] == 'web'):
                problems.add(path, '%d is the port of %s, too: use another' % (address[1], shown_path(other)))
                break


def _web(web, tls, problems):
    _warn_of_mask(web, ('web',), problems)
    protected = web.token or web.password_hash
    if bool(web.user) != bool(web.password_hash):
        problems.add(('web', 'user'), 'user and password_hash go together: set both or none')
    if not web.enabled or not web.host or uris.is_loopback(web.host):
        return
    if not protected:
        problems.add(('web', 'host'), 'anyone who can reach %s could look in: set token, or user and password_hash '
                     '(from `edge-app config --hash-password`), or use 127.0.0.1' % web.host)
    elif not tls.certificate:
        problems.warn(('web', 'host'), 'credentials travel unencrypted: set tls.certificate')


def _tls(config, problems):
    if config.tls.certificate:
        return
    if config.tls.key:
        problems.add(('tls', 'key'), 'a key without tls.certificate')
    for index, output in enumerate(config.outputs):
        if output.uri and uris.scheme_of(output.uri) == 'rtsps':
            problems.add(('outputs', index, 'uri'), 'rtsps:// needs tls.certificate')


def _memory(config, problems):
    rings = sum(LEAST_SLOTS * frame_bytes(*camera.size) for camera in config.cameras if camera.size and camera.enabled)
    needed = -(-rings // 2 ** 20)
    if config.memory_mb and config.memory_mb < needed:
        problems.add(('memory_mb',), 'the rings of these cameras need %d, not %d; or set smaller sizes'
                     % (needed, config.memory_mb))
