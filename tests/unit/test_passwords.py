"""Hashes of passwords: made, checked, printed by the command."""
import base64
import hashlib
import hmac
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from edge_app.commands.config import config
from edge_app.config import passwords


def test_a_hash_fits_its_password_only():
    kept = passwords.made_hash('p@ss:w/rd', rounds=1000)
    assert re.match(passwords.SHAPE + r'\Z', kept)
    assert passwords.fits('p@ss:w/rd', kept)
    for wrong in ('', 'p@ss', 'p@ss:w/rD', 'x' * 5000, '\ud800'):
        assert not passwords.fits(wrong, kept)


def test_two_hashes_of_one_password_differ():
    assert passwords.made_hash('same', 1000) != passwords.made_hash('same', 1000)


def test_it_is_the_function_it_says():
    """RFC 8018 written out for one block, from the parts of the line."""
    _, rounds, salt, kept = passwords.made_hash('caf\u00e9', 1000).split(':')
    step = hmac.new('caf\u00e9'.encode(), salt.encode() + b'\0\0\0\1', hashlib.sha256).digest()
    total = int.from_bytes(step, 'big')
    for _ in range(999):
        step = hmac.new('caf\u00e9'.encode(), step, hashlib.sha256).digest()
        total ^= int.from_bytes(step, 'big')
    assert rounds == '1000' and base64.urlsafe_b64decode(kept + '=') == total.to_bytes(32, 'big')


def test_the_command_reads_stdin(monkeypatch):
    assert passwords.made_hash.__defaults__ == (passwords.ROUNDS,)
    monkeypatch.setattr(passwords.made_hash, '__defaults__', (1000,))
    done = CliRunner().invoke(config, ['--hash-password'], input='hunter2\nmore\n')
    assert done.exit_code == 0 and 'hunter2' not in done.output
    assert passwords.fits('hunter2', done.output.strip())


@pytest.mark.parametrize('typed', ['', '\n', 'x' * 2000 + '\n'])
def test_no_password_is_shown(typed):
    done = subprocess.run([sys.executable, '-m', 'edge_app', 'config', '--hash-password'], input=typed.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 2 and b'--hash-password' in done.stderr and not done.stdout
