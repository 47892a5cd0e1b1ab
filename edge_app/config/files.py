"""Files a configuration names: paths made absolute, and checked before anything starts."""
import os
import stat

from edge_app import uris


def resolve(config, folder, problems):
    """Make the paths of a partial Config absolute, relative to `folder`, and report missing files."""
    for index, camera in enumerate(config.cameras):
        for name in ('uri', 'record_uri'):
            _existing(camera, name, ('cameras', index), folder, problems)
    used = {camera.uri: 'cameras[%d]' % index for index, camera in enumerate(config.cameras) if camera.uri}
    for section in ('outputs', 'sinks'):
        for index, item in enumerate(getattr(config, section)):
            _writable(item, (section, index), folder, problems)
            if item.uri and uris.scheme_of(item.uri) == 'file':
                owner = used.setdefault(item.uri, '%s[%d]' % (section, index))
                if owner != '%s[%d]' % (section, index):
                    problems.add((section, index, 'uri'), 'is already the file of %s: use another' % owner)
    _model(config.engine, folder, problems)
    _certificate(config.tls, folder, problems)
    if config.credentials_file:
        config.credentials_file = _absolute(config.credentials_file, folder)


def check_access(root, status, problems):
    """Who but its reader may read or change a configuration, whose addresses are sent the cameras' passwords.

    `status`: its os.stat_result. One that anybody may write is refused; for another user's, which is usual with sudo
    and in containers, and for passwords that others may read there is a warning.
    """
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o002:
        problems.add((), 'anybody on this machine may change it (mode %04o), and so have the cameras\' passwords sent '
                         'elsewhere: chmod o-w it' % mode)
    if status.st_uid not in (0, os.geteuid()):
        problems.warn((), 'belongs to another user (%d), who may change it: chown it to the user that runs edge-app'
                      % status.st_uid)
    if mode & 0o004:
        for path in _literal_passwords(root, ()):
            problems.warn(path, 'a password in a file others can read: chmod 600 the file, or write ${NAME}')


def _existing(section, name, path, folder, problems):
    uri = getattr(section, name)
    if not uri or uris.scheme_of(uri) != 'file':
        return
    file = _absolute(uris.file_path(uri), folder)
    if not os.path.isfile(file):
        problems.add(path + (name,), 'no such file: ' + file)
    setattr(section, name, uris.file_uri(file))


def _writable(section, path, folder, problems):
    if not section.uri or uris.scheme_of(section.uri) != 'file':
        return
    file = _absolute(uris.file_path(section.uri), folder)
    parent = os.path.dirname(file)
    if not os.path.isdir(parent):
        problems.add(path + ('uri',), 'no such folder: %s; create it' % parent)
    elif not os.access(file if os.path.exists(file) else parent, os.W_OK):
        problems.add(path + ('uri',), 'no permission to write: ' + file)
    section.uri = uris.file_uri(file)


def _model(engine, folder, problems):
    if engine.model and '://' not in engine.model:
        engine.model = _absolute(engine.model, folder)
        _readable(engine, 'model', '; leave the line out for the bundled demo model', problems)
    if engine.card:
        engine.card = _absolute(engine.card, folder)
        _readable(engine, 'card', '', problems)


def _readable(engine, name, hint, problems):
    """Report a file, or a folder with a model, that is missing or cannot be read."""
    file = getattr(engine, name)
    if engine.enabled and not os.path.exists(file):
        problems.add(('engine', name), 'no such file: %s%s' % (file, hint))
    elif engine.enabled and not os.access(file, os.R_OK):
        problems.add(('engine', name), 'no permission to read: ' + file)


def _certificate(tls, folder, problems):
    if not tls.certificate:
        return
    from edge_app.config.tls import UnusableCertificate, server_context  # imports ssl only where it is needed
    tls.certificate = _absolute(tls.certificate, folder)
    tls.key = tls.key and _absolute(tls.key, folder)
    try:
        server_context(tls.certificate, tls.key)
    except UnusableCertificate as error:
        problems.add(('tls', error.setting), error.text)


def _absolute(path, folder):
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def _literal_passwords(node, path):
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _literal_passwords(child, path + (key,))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from _literal_passwords(child, path + (index,))
    elif isinstance(node.value, str) and path and _holds_password(str(path[-1]), node.value):
        yield path


def _holds_password(key, text):
    if key.endswith('uri'):
        text = uris.split_credentials(text).password
    elif key not in ('password', 'token'):
        return False
    return bool(text) and '${' not in text
