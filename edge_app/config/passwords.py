"""Passwords as a configuration may hold them: a salted hash, from which nobody gets the password back.

PBKDF2-HMAC-SHA-256: every OpenSSL that a Python 3.6 is linked with has it, while some lack scrypt. The number of rounds
is the one the OWASP Password Storage Cheat Sheet of 2023 asks for.
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
    """The line to keep instead of `password`; another one each time."""
    salt = _text(os.urandom(18))
    return 'pbkdf2-sha256:%d:%s:%s' % (rounds, salt, _derived(password, rounds, salt))


def fits(password, kept):
    """Whether `kept` was made of `password`. Takes some tenths of a second, for a wrong one too."""
    _, rounds, salt, expected = kept.split(':')
    return len(password) <= LONGEST and hmac.compare_digest(_derived(password, int(rounds), salt), expected)


def _derived(password, rounds, salt):
    return _text(hashlib.pbkdf2_hmac('sha256', password.encode('utf-8', 'surrogatepass'), salt.encode(), rounds))


def _text(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip('=')
