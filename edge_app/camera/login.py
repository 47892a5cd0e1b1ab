"""How edge-app logs in to a camera: Digest (RFC 7616) with MD5 or SHA-256, Basic only where nobody can read it."""
import base64
import os
import re

from edge_app.errors import SourceRefused

WRONG = 'wrong user or password (401)'
NONE_GIVEN = 'it asks for a user and password, and none is given (401)'
BASIC = ('it wants the password in the clear (Basic without TLS): set the camera to Digest, use %ss://, or allow it '
         'with `allow_basic: true`')
ELSEWHERE = 'it redirects to %s, which asks for a password; that is sent only to the address in `uri`'
MOST_TRIES = 2
"""Cameras lock an account after five to seven wrong passwords; the second try is for a nonce that has expired."""

_SCHEME = re.compile(r'[ ,]*([A-Za-z][A-Za-z0-9-]*)(?: |,|\Z)(?!=)')
_PARAMETER = re.compile(r'[ ,]*([A-Za-z0-9-]+) ?= ?(?:"((?:[^"\\]|\\.)*)"|([^ ,"]*))')
_ALGORITHMS = {'MD5': 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512_256'}


def challenges(values):
    """[(scheme, {parameter: value})] of the WWW-Authenticate headers `values`; what is malformed is left out."""
    found = []
    for value in values:
        value, place = ' '.join(value.split()), 0
        while place < len(value):
            match = _PARAMETER.match(value, place)
            if match and found:
                name, quoted, plain = match.group(1).lower(), match.group(2), match.group(3)
                found[-1][1][name] = plain if quoted is None else quoted
                if name == 'algorithm':     # some cameras want it as they write it
                    found[-1][1]['as written'] = plain if quoted is None else _quoted(quoted)
            else:
                match = _SCHEME.match(value, place)
                if match is None:
                    break
                found.append((match.group(1).lower(), {}))
            place = match.end()
    return found


class Login:
    """Answers the challenges of one camera; SourceRefused says why it cannot."""

    def __init__(self, user, password, basic_allowed, scheme):
        self._user, self._password, self._basic_allowed, self._scheme = user, password, basic_allowed, scheme
        self._challenge = None
        self._refused = self._count = 0
        self.elsewhere = ''
        """Where a redirection has led, to another host or port: nothing is sent there."""

    def challenged(self, values):
        """The camera has answered 401: the next request is to carry what it wants."""
        if self.elsewhere:
            raise SourceRefused(ELSEWHERE % self.elsewhere)
        if not (self._user or self._password):
            raise SourceRefused(NONE_GIVEN)
        new = self._choose(challenges(values))
        self._refused += self._challenge is not None
        if self._refused >= MOST_TRIES or new == self._challenge:
            raise SourceRefused(WRONG)
        self._challenge, self._count = new, 0

    def accepted(self):
        """The camera has answered otherwise: a challenge that comes later is for a new nonce."""
        self._refused = 0

    def _choose(self, offered):
        """The first Digest that can be answered, else Basic."""
        digests = [values for scheme, values in offered if scheme == 'digest' and {'nonce', 'realm'} <= set(values)]
        for values in digests:
            if _hash_of(values) and _qop_of(values) is not None:
                return dict(values, scheme='digest')
        if any(scheme == 'basic' for scheme, _ in offered):
            if not self._basic_allowed:
                raise SourceRefused(BASIC % self._scheme)
            return {'scheme': 'basic'}
        if digests:
            raise SourceRefused('it wants Digest with algorithm=%s, qop=%s; set it to MD5 or SHA-256' % (
                digests[0].get('algorithm', 'MD5'), digests[0].get('qop', 'none')))
        raise SourceRefused('it asks for a login in a way that cannot be answered (%s); set it to Digest' % (
            ', '.join(scheme for scheme, _ in offered)[:60] or 'no WWW-Authenticate'))

    def header(self, method, uri):
        """The value of Authorization for a request, None where nothing is to be sent."""
        if self._challenge is None or self.elsewhere:
            return None
        if self._challenge['scheme'] == 'basic':
            return 'Basic ' + base64.b64encode(('%s:%s' % (self._user, self._password)).encode()).decode()
        return self._digest(method, uri, self._challenge)

    def _digest(self, method, uri, challenge):
        digest = _hash_of(challenge)
        self._count += 1
        count, own, qop = '%08x' % self._count, os.urandom(8).hex(), _qop_of(challenge)
        secret = digest(self._user, challenge['realm'], self._password)
        if challenge.get('algorithm', '').lower().endswith('-sess'):
            secret = digest(secret, challenge['nonce'], own)
        middle = (count, own, qop) if qop else ()
        response = digest(secret, challenge['nonce'], *(middle + (digest(method, uri),)))
        text = 'Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"' % (
            re.sub(r'(["\\])', r'\\\1', self._user), challenge['realm'], challenge['nonce'], uri, response)
        text += ''.join(', %s=%s' % pair for pair in (
            ('algorithm', challenge.get('as written')), ('opaque', _quoted(challenge.get('opaque'))),
            ('qop', qop), ('nc', qop and count), ('cnonce', qop and _quoted(own))) if pair[1])
        return text


def _quoted(text):
    return '"%s"' % text if text else None


def _hash_of(challenge):
    """The function of the challenge's algorithm, None for one that is not known."""
    algorithm = challenge.get('algorithm', 'MD5').upper()
    name = _ALGORITHMS.get(algorithm[:-len('-SESS')] if algorithm.endswith('-SESS') else algorithm)
    if name is None:
        return None
    import hashlib  # a few MB that a camera without a password does not need
    return lambda *parts: hashlib.new(name, ':'.join(parts).encode('utf-8', 'surrogateescape')).hexdigest()


def _qop_of(challenge):
    """'auth', '' where none is wanted, None where only others are."""
    offered = [word.strip().lower() for word in challenge.get('qop', '').split(',') if word.strip()]
    return '' if not offered else 'auth' if 'auth' in offered else None
