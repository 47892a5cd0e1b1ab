"""Authentication of HTTP requests: the token, or the user and the password whose hash is configured."""
import asyncio
import base64
import binascii
import enum
import hashlib
import hmac
import logging
import os

from edge_app.clock import now_ns
from edge_app.config import passwords

log = logging.getLogger(__name__)

MOST_WAITING = 4
"""Passwords that may wait for their check; further requests are answered 429."""
PAUSE_S = 1.0
"""After a wrong password no other is checked for so long: that keeps guessing slow and cheap for this machine."""
LOG_EVERY_NS = 60 * 10 ** 9


class Verdict(enum.Enum):
    GRANTED = 1
    DENIED = 2
    BUSY = 3


class Authenticator:
    """Checks the Authorization header of each request against a config.Web."""

    def __init__(self, settings):
        self._token = settings.token
        self._user, self._hash = settings.user, settings.password_hash
        self._key = os.urandom(32)
        self._known = b''
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._wrong, self._logged_ns = 0, None

    @property
    def required(self):
        """Whether clients must authenticate at all."""
        return bool(self._token or self._hash)

    @property
    def challenge(self):
        """The WWW-Authenticate header of a refusal; browsers prompt their user only for Basic."""
        return 'Basic realm="edge-app", charset="UTF-8"' if self._hash else 'Bearer realm="edge-app"'

    async def verify(self, header):
        """The Verdict on an Authorization header ('' when there was none)."""
        if not self.required:
            return Verdict.GRANTED
        scheme, _, given = header.strip().partition(' ')
        verdict = Verdict.DENIED
        if scheme.lower() == 'bearer' and self._token:
            verdict = Verdict.GRANTED if _same(given.strip(), self._token) else Verdict.DENIED
        elif scheme.lower() == 'basic' and self._hash:
            verdict = await self._basic(given.strip())
        if verdict is Verdict.DENIED and header:
            self._report()
        return verdict

    async def _basic(self, given):
        seal = hmac.new(self._key, given.encode('utf-8', 'surrogateescape'), hashlib.sha256).digest()
        if hmac.compare_digest(seal, self._known):      # known to be right: hashing it again would cost as much as then
            return Verdict.GRANTED
        if self._waiting >= MOST_WAITING:
            return Verdict.BUSY
        self._waiting += 1
        try:
            async with self._turn:
                if not await self._fits(given):
                    await asyncio.sleep(PAUSE_S)
                    return Verdict.DENIED
        finally:
            self._waiting -= 1
        self._known = seal
        return Verdict.GRANTED

    async def _fits(self, given):
        user, password = _decoded(given)
        good = await asyncio.get_event_loop().run_in_executor(None, passwords.fits, password, self._hash)
        return _same(user, self._user) and good

    def _report(self):
        """Log at most one line a minute."""
        self._wrong += 1
        if self._logged_ns is None or now_ns() - self._logged_ns >= LOG_EVERY_NS:
            log.warning('%d requests with a wrong token or password', self._wrong)
            self._wrong, self._logged_ns = 0, now_ns()


def _same(given, expected):
    """Compared in constant time."""
    return hmac.compare_digest(given.encode('utf-8', 'surrogateescape'), expected.encode('utf-8', 'surrogateescape'))


def _decoded(given):
    """(user, password) of what follows `Basic`; both '' when it is not that."""
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(':')
    except (binascii.Error, ValueError):
        return '', ''
    return user, password
