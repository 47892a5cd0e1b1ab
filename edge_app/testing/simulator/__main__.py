"""The process behind `Simulator`: settings as one line of JSON on stdin, then requests; answers on stdout."""
import io
import json
import logging
import sys

from edge_app.errors import EXIT_FAILED, EXIT_GOOD, ConfigError, EdgeAppError
from edge_app.testing.simulator.settings import Settings


def main():
    """-> exit code."""
    logging.basicConfig(level=logging.WARNING, format='%(asctime)s simulate %(levelname)s %(message)s')
    pipe = io.open(sys.stdin.fileno(), 'rb', buffering=0, closefd=False)
    try:
        settings = Settings.from_json(pipe.readline().decode())
        from edge_app.testing.simulator.serve import serve
        serve(settings, lambda server: _print({'ports': server.ports}), pipe.fileno())
    except EdgeAppError as error:
        _print({'error': str(error), 'configuration': isinstance(error, ConfigError)})
        return getattr(error, 'exit_code', EXIT_FAILED)
    return EXIT_GOOD


def _print(message):
    print(json.dumps(message), flush=True)


if __name__ == '__main__':
    sys.exit(main())
