"""What runs on this box, as a table: read this and you know the system."""
from typing import List

from edge_app.config import Config, restart_settings, to_dict
from edge_app.supervision.managed_process import EXCLUSIVE, YIELDING, WorkerSpec

ONE_HEAP = {'MALLOC_ARENA_MAX': '1', 'G_SLICE': 'always-malloc'}
"""One heap for all threads: every capture session starts new ones, for each of which glibc would open another heap and
GLib (before 2.76) another slice cache, and both keep them although they are almost empty."""


def processes(config: Config) -> List[WorkerSpec]:
    """The workers of `config`, in the order of the data path. Only a change of `restart_on` restarts one."""
    everything = to_dict(config, secrets=True)
    arguments, engine = {'config': everything}, config.engine
    shared = {'engine_enabled': engine.enabled, 'no_signal_s': config.display.no_signal_s}
    table = [WorkerSpec('capture:' + camera.name, 'edge_app.workers.capture',
                        dict(shared, camera=to_dict(camera, secrets=True)),
                        restart_on=(restart_settings(camera), shared), cores=YIELDING, environment=ONE_HEAP,
                        expendable=True)
             for camera in config.enabled_cameras]
    if engine.enabled:
        table.append(WorkerSpec('analyze', 'edge_app.workers.analyze', arguments, startup_timeout_s=120.0,
                                cores=EXCLUSIVE, restart_on=restart_settings(engine)))
    table.append(WorkerSpec('compositor', 'edge_app.workers.compositor', arguments,
                            restart_on=[everything[name] for name in ('outputs', 'display', 'tls')] + [engine.enabled]))
    table.append(WorkerSpec('board', 'edge_app.workers.board', {}, required=False))
    if config.sinks:
        table.append(WorkerSpec('results', 'edge_app.workers.results', arguments, restart_on=everything['sinks']))
    if config.web.enabled:
        table.append(WorkerSpec('web', 'edge_app.workers.web', arguments,
                                restart_on=[everything['web'], everything['tls']]))
    return table
