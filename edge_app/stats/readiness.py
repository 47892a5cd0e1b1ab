"""Whether an appliance does what it was asked, and if not, why, in words for a person or an orchestrator."""
from edge_app.clock import now_ns
from edge_app.stats.camera_state import STARTING, SUPERVISOR_SILENT_S, reported_state

UP = 'running'


def reasons_not_ready(counters, status):
    """Sentences, none when all is well: required processes up, each camera live or known to be away.

    A camera that is known to be away is its owner's trouble, shown on its tile; one nothing is known of yet is ours.
    """
    return (_supervisor(status) + [_words(worker) for worker in status['workers']
                                   if worker['required'] and worker['state'] != UP]
            + ['camera %s: nothing is known of it yet' % name for name, page in counters.cameras.items()
               if reported_state(page) == STARTING])


def _supervisor(status):
    if not status['written_ns']:
        return ['the supervisor has not said anything yet']
    silent_s = (now_ns() - status['written_ns']) / 1e9
    return ['the supervisor has been silent for %d s' % silent_s] if silent_s > SUPERVISOR_SILENT_S else []


def _words(worker):
    return 'process %s: %s%s' % (worker['name'], worker['state'], ', %s' % worker['reason'] if worker['reason'] else '')
