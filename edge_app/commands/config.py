"""`edge-app config`: a configuration as it will be used, what it changes, and what one may hold."""
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
@click.option('--effective', 'show', flag_value='effective', help='Every setting of FILE, defaults too. The default.')
@click.option('--diff', 'show', flag_value='diff', help='Only the settings of FILE that differ from the defaults.')
@click.option('--schema', 'show', flag_value='schema', help='The JSON schema (draft-07), for editors.')
@click.option('--reference', 'show', flag_value='reference', help='Every setting explained, as Markdown.')
@click.option('--hash-password', 'show', flag_value='hash',
              help="What `web.password_hash` wants: asks for a password, or reads the first line of stdin.")
def config(file, show):
    """Show the configuration FILE as it will be used. Passwords are shown as ***.

    \b
    Examples:
      edge-app config site.yaml                      every setting, as YAML that loads again
      edge-app config site.yaml --diff               what it changes
      edge-app config --schema > edge-app.schema.json
      edge-app config --hash-password                for web.password_hash
    In the first line of site.yaml, for editors that know the YAML language server:
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
    """Typed twice at a terminal and not shown, or the first line of stdin; never an argument, which others can see."""
    if sys.stdin.isatty():
        return click.prompt('Password', hide_input=True, confirmation_prompt=True, err=True)
    password = sys.stdin.readline().rstrip('\r\n')
    if not 0 < len(password) <= LONGEST:
        raise ConfigError('--hash-password: the first line of stdin must be a password of 1 to %d characters' % LONGEST)
    return password
