"""`edge-app config`: a configuration in effect, how it differs from the defaults, and what one may contain."""
import json
import sys

import click

from edge_app.config import load
from edge_app.config.dump import changes, everything
from edge_app.config.passwords import LONGEST, made_hash
from edge_app.config.reference import json_schema, reference
from edge_app.errors import ConfigError


@click.command('config')
@click.argument('file', required=False)
@click.option('--effective', 'show', flag_value='effective', help='Every setting in effect (the default).')
@click.option('--diff', 'show', flag_value='diff', help='Only settings that differ from the defaults.')
@click.option('--schema', 'show', flag_value='schema', help='A JSON schema (draft-07) for editors.')
@click.option('--reference', 'show', flag_value='reference', help='Every setting explained, as Markdown.')
@click.option('--hash-password', 'show', flag_value='hash',
              help='Hash for `web.password_hash`, of a password typed in or read from stdin.')
def config(file, show):
    """Print the configuration FILE as it takes effect. Passwords are printed as ***.

    \b
    Examples:
      edge-app config site.yaml                      every setting, as valid YAML
      edge-app config site.yaml --diff               what differs from the defaults
      edge-app config --schema > edge-app.schema.json
      edge-app config --hash-password                for web.password_hash
    First line of site.yaml, for editors with the YAML language server:
      # yaml-language-server: $schema=edge-app.schema.json
    """
    if show == 'schema':
        click.echo(json.dumps(json_schema(), indent=2))
    elif show == 'reference':
        click.echo(reference(), nl=False)
    elif show == 'hash':
        click.echo(made_hash(_new_password()))
    elif file is None:
        raise click.UsageError('FILE is needed, such as: edge-app config site.yaml --effective')
    else:
        click.echo((changes if show == 'diff' else everything)(load(file)), nl=False)


def _new_password():
    """Typed twice at a terminal, or the first line of stdin; not an argument, which other users could read."""
    if sys.stdin.isatty():
        return click.prompt('Password', hide_input=True, confirmation_prompt=True, err=True)
    password = sys.stdin.readline().rstrip('\r\n')
    if not 0 < len(password) <= LONGEST:
        raise ConfigError('--hash-password: the first line of stdin must be a password of 1 to %d characters' % LONGEST)
    return password
