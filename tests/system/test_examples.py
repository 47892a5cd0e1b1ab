"""The examples, run as their README says."""
import os
import signal
import subprocess
import sys

import cv2
import pytest

import edge_app
from edge_app.config import load
from edge_app.testing.simulator.process import Simulator
from edge_app.testing.simulator.scene import Scene
from edge_app.testing.simulator.settings import DEFAULT_PORT

from tests.support.running import Running, free_port
from tests.support.waiting import until

FOLDER = os.path.join(os.path.dirname(edge_app.__file__), 'examples')


def example(name):
    return os.path.join(FOLDER, name)


def run(*command, **more):
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(FOLDER)))
    return subprocess.run([sys.executable] + list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8', timeout=60, env=environment, **more)


def both_in(path):
    with open(path, encoding='utf-8') as lines:
        text = lines.read()
    return '"gate"' in text and '"yard"' in text


def test_the_site_is_a_good_configuration():
    config = load(example('site.yaml'), environment={'CAMERA_PASSWORD': 'x'})
    assert [camera.name for camera in config.cameras] == ['gate', 'yard']
    assert all(':%d/' % DEFAULT_PORT in camera.uri for camera in config.cameras)


def test_a_picture_is_looked_at(tmp_path):
    path = str(tmp_path / 'street.png')
    cv2.imwrite(path, Scene(3).picture(100))
    done = run(example('detect_picture.py'), path)
    assert done.returncode == 0, done.stdout
    assert any(line.split()[0] in ('person', 'car', 'bus', 'truck', 'bicycle', 'dog')
               for line in done.stdout.splitlines() if line), done.stdout


MISTAKES = [
    (('detect_picture.py', 'gone.jpg'), "No such file or directory: 'gone.jpg'"),
    (('detect_picture.py', '.'), 'Is a directory'),
    (('detect_picture.py', 'text.txt'), 'text.txt: no picture OpenCV can read'),
    (('detect_picture.py', 'empty'), 'empty: no picture OpenCV can read'),
    (('detect_picture.py', 'street.png', '--model', 'gone.onnx'), 'gone.onnx'),
    (('detect_picture.py', 'street.png', '--model', 'text.txt'), 'text.txt'),
    (('detect_picture.py', 'street.png', '--score', '2'), 'score: must be a number from 0 to 1'),
    (('own_camera.py',), 'give the name of one camera'), (('own_camera.py', 'a', 'b'), 'give the name of one camera'),
    (('own_camera.py', 'no-such-camera'), 'no appliance of this user has a camera no-such-camera'),
    (('own_camera.py', '*'), 'has a camera *'),
    (('count_classes.py',), "line 2 is not a result of a `stdout:` sink: 'gate: live'"),
]


@pytest.mark.parametrize('command, words', MISTAKES)
def test_a_mistake_is_one_sentence(command, words, tmp_path):
    cv2.imwrite(str(tmp_path / 'street.png'), Scene(3).picture(100))
    (tmp_path / 'text.txt').write_text('{"camera": "gate", "detections": []}\ngate: live\n')
    (tmp_path / 'empty').write_text('')
    with open(str(tmp_path / 'text.txt')) as lines:
        done = run(example(command[0]), *command[1:], cwd=str(tmp_path), stdin=lines)
    said = [line for line in done.stdout.splitlines() if not line.startswith('gate  ')]
    assert done.returncode == 1 and len(said) == 1 and words in said[0], done.stdout
    assert said[0].startswith(command[0][:-len('.py')] + ': ')


@pytest.mark.parametrize('name', ['detect_picture.py', 'own_camera.py'])
def test_another_python_is_said(name):
    """One that knows nothing of edge-app: -I leaves PYTHONPATH out, -S what is installed."""
    done = run('-I', '-S', example(name), 'x')
    assert done.returncode == 1 and done.stdout.count('\n') == 1 and '.venv/bin/python' in done.stdout, done.stdout


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
    read, write = os.pipe()
    os.close(read)
    counting = subprocess.Popen([sys.executable, example('count_classes.py')], stdin=subprocess.PIPE, stdout=write,
                                stderr=subprocess.PIPE)
    os.close(write)
    assert counting.communicate(b'{"camera": "gate", "detections": []}\n', timeout=60)[1] == b''
    assert counting.returncode == 1


def test_counts_and_frames_of_a_running_site(tmp_path):
    with Simulator(cameras=2, size=(320, 180), fps=10.0, die_with_parent=True) as simulator:
        with open(example('site.yaml'), encoding='utf-8') as site:
            text = site.read().replace(':5540/', ':%d/' % simulator.ports[0]).replace(':8554/', ':%d/' % free_port())
        environment = {'CAMERA_PASSWORD': simulator.password}
        results = str(tmp_path / 'results.jsonl')
        with Running(text.replace('stdout:', 'file://' + results), tmp_path, **environment) as appliance:
            appliance.wait_live('gate', 'yard')
            seen = run(example('own_camera.py'), 'gate')
            assert seen.returncode == 0 and '320x180' in seen.stdout, seen.stdout
            os.rename(results, results + '.1')      # as logrotate does
            appliance.process.send_signal(signal.SIGHUP)
            until(lambda: os.path.exists(results) and both_in(results), 20, 'the file is begun anew')
        with open(results, encoding='utf-8') as lines:
            counted = run(example('count_classes.py'), stdin=lines)
    assert counted.returncode == 0
    assert {line.split()[0] for line in counted.stdout.splitlines()} == {'gate', 'yard'}


@pytest.mark.timeout(60)
def test_results_on_stdout_are_nothing_but_results(tmp_path):
    with Simulator(cameras=2, size=(320, 180), fps=10.0, die_with_parent=True) as simulator:
        with open(example('site.yaml'), encoding='utf-8') as site:
            text = site.read().replace(':5540/', ':%d/' % simulator.ports[0]).replace(':8554/', ':%d/' % free_port())
        path = tmp_path / 'site.yaml'
        path.write_text(text)
        appliance = subprocess.Popen([sys.executable, '-m', 'edge_app', 'run', str(path), '--duration', '6'],
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                     env=dict(os.environ, CAMERA_PASSWORD=simulator.password))
        counted = run(example('count_classes.py'), stdin=appliance.stdout)
        appliance.stdout.close()
        appliance.wait(10)
    assert counted.returncode == 0, counted.stdout
    assert 'gate' in counted.stdout and 'yard' in counted.stdout
