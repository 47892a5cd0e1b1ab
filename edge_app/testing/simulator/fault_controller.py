"""Which faults are active: begins and ends them, by plan and on request, on a loop and thread of its own."""
import asyncio
import logging
import threading

from edge_app import clock
from edge_app.errors import EdgeAppError
from edge_app.testing.simulator.plan import read_request

_log = logging.getLogger(__name__)
CALL_S = 4.0


class FaultTarget:
    """One camera as faults see it: `camera`, `front` (its door), `lines` (its clients), `faults` (active ones)."""

    def __init__(self, camera):
        self.camera = camera
        self.front = None
        self.lines = set()
        self.faults = ()

    def cut(self, reset=False):
        """End every client's connection."""
        for line in list(self.lines):
            line.cut(reset)


class FaultController:
    """All faults of the cameras of one server; `requests` are answered from any thread, by `ask`."""

    def __init__(self, settings, cameras):
        self.settings = settings
        self.targets = {camera.number: FaultTarget(camera) for camera in cameras}
        self.fronts = []
        self._begun = {}
        self._timers = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(name='faults', target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def open(self, plan):
        """Take connections at the fronts, and begin the plan, a list of Fault."""
        self._thread.start()
        for front in self.fronts:
            self.run(front.accept())
        for fault in plan:
            self._loop.call_soon_threadsafe(self._loop.call_later, fault.at_s, self._begin_soon, fault)

    def run(self, coroutine):
        """The result of a coroutine that runs on the loop of the fronts."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_S)

    def close(self):
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1.0)
        for front in self.fronts:
            front.close()

    # -- requests ---------------------------------------------------------------------------------------------------

    async def answer(self, request):
        """The answer to one request, plain values both; mistakes are answered, not raised.

        {'fault': name, 'camera': number, 'for_s': seconds, ...}, {'clear': number or 'all'}, {'active': True}
        """
        try:
            if not isinstance(request, dict):
                return {'error': 'a request is one JSON object a line, such as {"camera": 1, "fault": "freeze"}'}
            if 'clear' in request:
                await self._clear(request['clear'])
            elif 'active' not in request:
                await self._wanted(request)
            return {'active': self._list()}
        except EdgeAppError as error:
            return {'error': str(error)}

    def ask(self, request):
        """`answer`, from any thread."""
        return self.run(self.answer(request))

    async def _wanted(self, request):
        for fault in read_request(request, self.settings):
            if fault.at_s:
                self._loop.call_later(fault.at_s, self._begin_soon, fault)
            else:
                await self._begin(fault)

    async def _clear(self, camera):
        for number, target in self.targets.items():
            for fault in target.faults if camera in (number, 'all') else ():
                await self._end(fault)

    def _list(self):
        now_ns = clock.now_ns()
        return [{'camera': number, 'fault': fault.fault, 'since_s': round((now_ns - fault.since_ns) / 1e9, 3),
                 'for_s': fault.for_s} for number, target in self.targets.items() for fault in target.faults]

    # -- begin and end ----------------------------------------------------------------------------------------------

    def _begin_soon(self, fault):
        self._loop.create_task(self._begin(fault))

    async def _begin(self, fault):
        """Begin a fault of one camera; one of the same name there ends."""
        target = self.targets[fault.camera]
        for other in target.faults:
            if other.fault == fault.fault:
                await self._end(other)
        fault.since_ns, fault.over, fault.seed = clock.now_ns(), asyncio.Event(), self._seed(fault)
        _log.info('camera %d: %s begins', fault.camera, fault.fault)
        if not fault.momentary:
            target.faults += (fault,)
        await fault.begin(target)
        if fault.cuts:
            target.cut()
        if fault.for_s is not None:
            self._timers[fault] = self._loop.call_later(fault.for_s, self._end_soon, fault)

    def _seed(self, fault):
        """Text that is the same for the same fault of the same camera, the n-th time, in every run."""
        key = fault.camera, fault.fault
        self._begun[key] = self._begun.get(key, 0) + 1
        return '%d %d %s %d' % ((self.settings.seed,) + key + (self._begun[key],))

    def _end_soon(self, fault):
        self._loop.create_task(self._end(fault))

    async def _end(self, fault):
        target, timer = self.targets[fault.camera], self._timers.pop(fault, None)
        if timer:
            timer.cancel()
        if fault not in target.faults:
            return
        _log.info('camera %d: %s ends', fault.camera, fault.fault)
        target.faults = tuple(other for other in target.faults if other is not fault)
        await fault.end(target)
        for line in target.lines:
            line.finish(fault)
        fault.over.set()
