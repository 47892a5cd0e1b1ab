"""Whether a run succeeded: every enabled camera delivers and every frame is accounted for."""
from typing import Any, Dict, Iterator, List

from edge_app import clock
from edge_app.app.appliance import Appliance
from edge_app.stats.camera_state import DELIVERY_S, LIVE, camera_state, is_recent, state_text
from edge_app.supervision.managed_process import FAILED


def failed(workers):
    """Rows of status.json of the workers that are down for good."""
    return [worker for worker in workers if worker['state'] == FAILED]


def not_delivering(appliance: Appliance, workers: List[Dict[str, Any]]) -> Iterator[str]:
    """A line for each worker that is down, and for each enabled camera that does not deliver now."""
    now_ns = clock.now_ns()
    for worker in failed(workers):
        yield '%s: %s' % (worker['name'], worker['reason'] or 'exit code %s' % worker['exit_code'])
    for camera in appliance.config.enabled_cameras:
        page = appliance.counters.cameras[camera.name]
        if camera_state(page, now_ns) != LIVE:
            yield '%s: %s' % (camera.name, state_text(page, now_ns))
        elif appliance.config.engine.enabled and not is_recent(page.last_inferred_ns, now_ns, DELIVERY_S):
            yield '%s: no frame analysed within the last %g s' % (camera.name, DELIVERY_S)
        elif not is_recent(page.last_shown_ns, now_ns, DELIVERY_S):
            yield '%s: no frame shown within the last %g s' % (camera.name, DELIVERY_S)


def unaccounted(appliance: Appliance) -> Iterator[str]:
    """A line for each enabled camera whose counters do not add up."""
    for camera in appliance.config.enabled_cameras:
        error = appliance.counters.balance(camera.name, appliance.rings[camera.name]).error
        if error:
            yield '%s: %d frames unaccounted for' % (camera.name, error)
