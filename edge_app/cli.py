"""The command line `edge-app`: runs a command and turns errors into one line per problem and an exit code."""
import codecs
import importlib
import locale
import logging
import os
import sys

import click

from edge_app import __version__
from edge_app.errors import EXIT_FAILED, EXIT_GOOD, EXIT_INTERRUPTED, EdgeAppError
from edge_app.stdio import LossyStream
from edge_app.uris import nearest

COMMANDS = {
    'run': 'Run the appliance: cameras in, detections and a mosaic out.',
    'demo': 'Run the appliance on simulated cameras.',
    'check': 'Check a configuration without starting anything.',
    'config': 'Print a configuration in effect, or its schema.',
    'doctor': 'Check this machine and say how to fix what is wrong.',
    'selftest': 'Test codecs, engines, latency and heat of this machine.',
    'simulate': 'Serve simulated cameras over RTSP.',
    'models': 'List, download, inspect and evaluate models.',
    'bench': 'Run benchmarks.',
    'chaos': 'Run fault-injection tests.',
}
"""Name and purpose of every command, the click command of that name in `edge_app/commands/<name>.py`."""


class Commands(click.Group):
    """Imports the module of a command only when it is called: `--version` must not wait for numpy."""

    def list_commands(self, context):
        return list(COMMANDS)

    def resolve_command(self, context, arguments):
        try:
            return super(Commands, self).resolve_command(context, arguments)
        except click.UsageError as error:
            if 'ean' not in error.message:  # newer versions of click ask "Did you mean" themselves
                error.message = error.message.rstrip('.') + nearest(arguments[0], COMMANDS)
            raise

    def get_command(self, context, name):
        if name not in COMMANDS:
            return None
        module = importlib.import_module('edge_app.commands.' + name)
        return next(value for value in vars(module).values()
                    if isinstance(value, click.Command) and value.name == name)

    def format_commands(self, context, formatter):
        with formatter.section('Commands'):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, invoke_without_command=True, context_settings={'help_option_names': ['-h', '--help']})
@click.version_option(__version__, prog_name='edge-app', message='%(prog)s %(version)s')
@click.option('--log-level', type=click.Choice(['debug', 'info', 'warning', 'error']), default='warning',
              show_default=True, help='Least severe messages logged to stderr.')
@click.pass_context
def cli(context, log_level):
    """Many cameras, one engine, one mosaic: real-time video analytics on a Jetson TX2 or a laptop.

    \b
    Examples:
      edge-app demo                       see it work without a camera
      edge-app run rtsp://10.0.0.21/live  one camera, defaults for everything else
      edge-app check site.yaml            find every mistake in a configuration
      edge-app run site.yaml              run it
    \b
    Exit codes: 0 success, 1 ran and failed, 2 configuration or usage, 3 a restart will not help.
    """
    logging.basicConfig(level=log_level.upper(), stream=LossyStream(sys.stderr),
                        format='%(asctime)s %(levelname)s edge-app: %(message)s')
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments=None):
    """Run one command and return its exit code. A command returns None or its code, or raises an EdgeAppError."""
    if arguments is None:
        _use_utf8()
    try:
        code = cli.main(arguments, prog_name='edge-app', standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else EXIT_GOOD
    except EdgeAppError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _use_utf8():
    """Restart with UTF-8 where Python 3.6 assumes ASCII, as it does for a service without a locale.

    Every path with an accent would fail there, and click refuses to run. Later versions of Python use UTF-8 anyway.
    """
    if sys.version_info >= (3, 7) or os.environ.get('LC_ALL') == 'C.UTF-8':
        return
    if codecs.lookup(locale.getpreferredencoding()).name == 'ascii':
        start = ['-m', 'edge_app'] if sys.argv[0].endswith('__main__.py') else [sys.argv[0]]
        os.environ['LC_ALL'] = 'C.UTF-8'
        os.execv(sys.executable, [sys.executable] + start + sys.argv[1:])
