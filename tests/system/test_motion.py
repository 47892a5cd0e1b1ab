"""The motion gate of a whole appliance: one simulated camera that shows nothing new beside one that does."""
from edge_app.testing.simulator.process import Simulator

from tests.support.running import Running, free_port
from tests.support.waiting import until

SITE = '''cameras:
  - {name: cam1, uri: "%s", user: admin, password: "${CAMERA_PASSWORD}", size: [320, 176], motion_percent: 0.5}
  - {name: cam2, uri: "%s", user: admin, password: "${CAMERA_PASSWORD}", size: [320, 176], motion_percent: 0.5}
engine: {backend: fake}
outputs: [{uri: "rtsp://127.0.0.1:%d/mosaic", size: [640, 368], fps: 10}]
web: off
'''


def test_a_still_camera_costs_next_to_no_inference(tmp_path):
    with Simulator(cameras=2, size=(320, 176), fps=10, faultable=True) as cameras:
        text = SITE % (tuple(cameras.uris) + (free_port(),))
        with Running(text, tmp_path, CAMERA_PASSWORD=cameras.password) as running:
            running.wait_live('cam1', 'cam2')
            still, moving = (running.counters.cameras[name] for name in ('cam1', 'cam2'))
            cameras.fault(1, 'black', mark=False)
            until(lambda: still.motion_gate >= 5, 20, 'a gate that is shut')
            gated, before, beside = still.motion_gate, still.inferred, moving.inferred
            until(lambda: still.motion_gate >= gated + 40, 60, 'four seconds of a still picture')
            inferred, others = still.inferred - before, moving.inferred - beside
            until(lambda: still.inferred > before, 10, 'one now and then all the same')
            cameras.clear(1)
            woken = still.inferred
            until(lambda: still.inferred >= woken + 10, 20, 'inferred again')
            assert inferred <= 10 and others > 2 * inferred and moving.motion_gate == 0
            assert all(running.counters.balance(name).error == 0 for name in ('cam1', 'cam2'))
