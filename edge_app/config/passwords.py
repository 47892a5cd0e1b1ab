"""Passwords in a configuration: salted hashes, from which nobody gets the password back.

PBKDF2-HMAC-SHA-256, because some OpenSSLs Python 3.6 is linked with lack scrypt. The number of rounds is that of the
OWASP Password Storage Cheat Sheet of 2023.
"""
import base64
import hashlib
import hmac
import os

ROUNDS = 600000
SHAPE = 'pbkdf2-sha256:[1-9][0-9]{3,6}:[A-Za-z0-9_-]{16,64}:[A-Za-z0-9_-]{43}'
"""name:rounds:salt:hash, the last two base64 without padding. No `$`, which shells and Compose files expand."""
LONGEST = 1024


def made_hash(password, rounds=ROUNDS):
    """The hash to store instead of `password`; a different one each time."""
    salt = _text(os.urandom(18))
    return 'pbkdf2-sha256:%d:%s:%s' % (rounds, salt, _derived(password, rounds, salt))


def fits(password, kept):
    """Whether `kept` is a hash of `password`. Takes some tenths of a second, also for a wrong one."""
    _, rounds, salt, expected = kept.split(':')
    return len(password) <= LONGEST and hmac.compare_digest(_derived(password, int(rounds), salt), expected)


def _derived(password, rounds, salt):
    return _text(hashlib.pbkdf2_hmac('sha256', password.encode('utf-8', 'surrogatepass'), salt.encode(), rounds))


def _text(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip('=')
