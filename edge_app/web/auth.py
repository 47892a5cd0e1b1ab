"""Authentication of HTTP requests: the token, or the user and the password whose hash is configured."""
import asyncio
import base64
import binascii
import enum
import hashlib
import hmac
import logging
import os

from edge_app.config import passwords
from edge_app.web.log_limit import Tally

log = logging.getLogger(__name__)

MOST_WAITING = 32
"""Passwords from one address that may wait for their check; further requests are answered 429, after a pause too."""
PAUSE_S = 1.0
"""After a wrong password none from its address is checked for so long: guessing stays slow, and cheap for this machine.
Addresses take turns, so that who guesses at one does not shut out who knows the password at another."""


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
        self._hashing = asyncio.Lock()
        self._queues = {}
        self._wrong = Tally()

    @property
    def required(self):
        """Whether clients must authenticate at all."""
        return bool(self._token or self._hash)

    @property
    def challenge(self):
        """The WWW-Authenticate header of a refusal; browsers prompt their user only for Basic."""
        return 'Basic realm="edge-app", charset="UTF-8"' if self._hash else 'Bearer realm="edge-app"'

    async def verify(self, header, address):
        """The Verdict on an Authorization header ('' when there was none) that came from this address."""
        if not self.required:
            return Verdict.GRANTED
        scheme, _, given = header.strip().partition(' ')
        verdict = Verdict.DENIED
        if scheme.lower() == 'bearer' and self._token:
            verdict = Verdict.GRANTED if _same(given.strip(), self._token) else Verdict.DENIED
        elif scheme.lower() == 'basic' and self._hash:
            # To its end, also when the client hangs up, which would end the pause.
            verdict = await asyncio.shield(self._basic(given.strip(), address))
        if verdict is Verdict.DENIED and header:
            self._report()
        return verdict

    async def _basic(self, given, address):
        seal = hmac.new(self._key, given.encode('utf-8', 'surrogateescape'), hashlib.sha256).digest()
        if hmac.compare_digest(seal, self._known):      # known to be right: hashing it again would cost as much as then
            return Verdict.GRANTED
        queue = self._queues.setdefault(address, _Queue())
        if queue.waiting >= MOST_WAITING:
            await asyncio.sleep(PAUSE_S)
            return Verdict.BUSY
        queue.waiting += 1
        try:
            async with queue.turn:
                async with self._hashing:       # in order of arrival, and at most one of each address waits here
                    fits = await self._fits(given)
                if not fits:
                    await asyncio.sleep(PAUSE_S)
                    return Verdict.DENIED
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                self._queues.pop(address, None)
        self._known = seal
        return Verdict.GRANTED

    async def _fits(self, given):
        user, password = _decoded(given)
        good = await asyncio.get_event_loop().run_in_executor(None, passwords.fits, password, self._hash)
        return _same(user, self._user) and good

    def _report(self):
        count = self._wrong.add()
        if count:
            log.warning('%d requests with a wrong token or password', count)


class _Queue:
    """The passwords of one address: checked one after the other."""

    def __init__(self):
        self.turn, self.waiting = asyncio.Lock(), 0


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
