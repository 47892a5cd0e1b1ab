"""A supervisor as a process of its own: python -m tests.standins.supervised BASE BEHAVIOUR..."""
import logging
import sys

from edge_app.supervision.run_dir import prepare_run_dir
from edge_app.supervision.supervisor import Supervisor, WorkerSpec


def main(base, behaviours):
    logging.basicConfig(level='INFO', format='%(asctime)s supervisor: %(message)s')
    specs = [WorkerSpec('%s %d' % (behaviour, number), 'tests.standins.worker_targets', {'behaviour': behaviour},
                    heartbeat_timeout_s=5.0) for number, behaviour in enumerate(behaviours)]
    with prepare_run_dir(base) as run_dir:
        print(run_dir, flush=True)
        Supervisor(specs, run_dir).run()
    print('done', flush=True)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
