"""`edge-app check`: every mistake in a configuration, or a summary of a correct one."""
import click

from edge_app.app.model_probe import probe_model
from edge_app.app.ports import held_ports
from edge_app.app.rings import frame_ring_bytes
from edge_app.app.startup_checks import start_problems
from edge_app.config import load
from edge_app.config.schema import DEFAULT_WEB_PORT
from edge_app.errors import ConfigError


@click.command('check')
@click.argument('file')
def check(file):
    """Check whether the configuration FILE can be run here, and load its model once. No camera is contacted.

    Prints all mistakes at once, each with its line and how to fix it (exit code 2), or a summary (exit code 0). A port
    that an edge-app running FILE has is none; one that any other program has is.

    \b
    Examples:
      edge-app check site.yaml
      CAMERA_PASSWORD=x edge-app check site.yaml    when ${CAMERA_PASSWORD} is not set here
      edge-app check site.yaml && edge-app run site.yaml
    """
    config = load(file)
    held = held_ports(config)
    problems = start_problems(config) + [one.problem for one in held if one.ours is False]
    if problems:
        raise ConfigError(*problems)
    probe_model(config.engine)
    click.echo('%s: no mistakes found%s' % (file, ', see the warnings above' if config.warnings else ''))
    for title, text in list(summary(config)) + [('note', one.problem.partition(';')[0]) for one in held]:
        click.echo('  %-8s %s' % (title, text))


def summary(config):
    """(title, text) for each line of a Config's summary."""
    yield 'cameras', str(len(config.cameras))
    for camera in config.cameras:
        yield '', '%s: %s%s' % (camera.name, camera.address, '' if camera.enabled else ' (disabled)')
    yield 'engine', _engine(config.engine)
    for output in config.outputs:
        yield 'output', '%s, %dx%d at %g fps' % ((output.address,) + output.size + (output.fps,))
    for sink in config.sinks:
        yield 'sink', sink.uri
    yield 'web', _web(config.web, 'https' if config.tls.certificate else 'http')
    used = sum(frame_ring_bytes(config).values())
    yield 'memory', '%.1f MB of %d MB for the frame rings' % (used / 2.0 ** 20, config.memory_mb)


def _engine(engine):
    if not engine.enabled:
        return 'off: pictures only'
    model = engine.model or 'the newest model here, otherwise the bundled demo model'
    return '%s on %s, %s, batches of up to %d' % (model, engine.backend, engine.precision, engine.batch)


def _web(web, scheme):
    if not web.enabled:
        return 'off'
    return '%s://%s:%d%s' % (scheme, web.host, web.port or DEFAULT_WEB_PORT,
                             '' if web.port else ' or the next free port')
