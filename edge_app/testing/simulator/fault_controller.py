"""Begins and ends faults, by plan and on request, on an event loop and thread of its own."""
import asyncio
import logging
import threading

from edge_app import clock
from edge_app.errors import EdgeAppError
from edge_app.testing.simulator.plan import read_request

_log = logging.getLogger(__name__)
CALL_S = 4.0


class FaultTarget:
    """One camera as faults see it: `camera`, its `proxy`, its clients' `connections`, the active `faults`."""

    def __init__(self, camera):
        self.camera = camera
        self.proxy = None
        self.connections = set()
        self.faults = ()

    def disconnect(self, reset=False):
        """End every client's connection."""
        for connection in list(self.connections):
            connection.disconnect(reset)


class FaultController:
    """All faults of the cameras of one server."""

    def __init__(self, settings, cameras):
        self.settings = settings
        self.targets = {camera.number: FaultTarget(camera) for camera in cameras}
        self.proxies = []
        self._begun = {}
        self._timers = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(name='faults', target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def open(self, plan):
        """Accept connections, and begin the plan, a list of Fault."""
        self._thread.start()
        for proxy in self.proxies:
            self.run(proxy.accept())
        for fault in plan:
            self._loop.call_soon_threadsafe(self._after, fault.at_s, self._begin, fault)

    def run(self, coroutine):
        """The result of a coroutine that runs on the loop; from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_S)

    def close(self):
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1.0)
        for proxy in self.proxies:
            proxy.close()

    # -- requests ---------------------------------------------------------------------------------------------------

    async def answer(self, request):
        """The answer to one request, plain values both; mistakes are answered, not raised.

        {'fault': name, 'camera': number, 'for_s': seconds, ...}, {'clear': number or 'all'}, {'active': True}
        """
        try:
            if not isinstance(request, dict):
                return {'error': 'a request is one JSON object a line, such as {"camera": 1, "fault": "freeze"}'}
            if 'clear' in request:
                for number, target in self.targets.items():
                    for fault in target.faults if request['clear'] in (number, 'all') else ():
                        await self._end(fault)
            elif 'active' not in request:
                for fault in read_request(request, self.settings):
                    if fault.at_s:
                        self._after(fault.at_s, self._begin, fault)
                    else:
                        await self._begin(fault)
            return {'active': self._list()}
        except EdgeAppError as error:
            return {'error': str(error)}

    def _after(self, seconds, coroutine, fault):
        """Run `coroutine(fault)` in so many seconds; the timer."""
        return self._loop.call_later(seconds, lambda: self._loop.create_task(coroutine(fault)))

    def _list(self):
        now_ns = clock.now_ns()
        return [{'camera': number, 'fault': fault.fault, 'since_s': round((now_ns - fault.since_ns) / 1e9, 3),
                 'for_s': fault.for_s} for number, target in self.targets.items() for fault in target.faults]

    # -- begin and end ----------------------------------------------------------------------------------------------

    async def _begin(self, fault):
        """Begin a fault of one camera; one of the same name there ends."""
        target = self.targets[fault.camera]
        for other in target.faults:
            if other.fault == fault.fault:
                await self._end(other)
        fault.since_ns, fault.ended, fault.seed = clock.now_ns(), asyncio.Event(), self._seed(fault)
        _log.info('camera %d: %s begins', fault.camera, fault.fault)
        if not fault.momentary:
            target.faults += (fault,)
        await fault.begin(target)
        if fault.disconnects:
            target.disconnect()
        if fault.for_s is not None:
            self._timers[fault] = self._after(fault.for_s, self._end, fault)

    def _seed(self, fault):
        """Text that is the same for the same fault of the same camera, the n-th time, in every run."""
        key = fault.camera, fault.fault
        self._begun[key] = self._begun.get(key, 0) + 1
        return '%d %d %s %d' % ((self.settings.seed,) + key + (self._begun[key],))

    async def _end(self, fault):
        target, timer = self.targets[fault.camera], self._timers.pop(fault, None)
        if timer:
            timer.cancel()
        if fault not in target.faults:
            return
        _log.info('camera %d: %s ends', fault.camera, fault.fault)
        target.faults = tuple(other for other in target.faults if other is not fault)
        await fault.end(target)
        for connection in target.connections:
            connection.finish(fault)
        fault.ended.set()
