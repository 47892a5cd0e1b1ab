"""What a configuration takes of a TX2, against sums made by hand, and what is refused."""
import json

import attrs
import pytest
from click.testing import CliRunner

from edge_app import cli, config
from edge_app.app.budget import figures
from edge_app.app.budget.estimate import model_of, rows
from edge_app.app.budget.verdict import FITS, OVER, TIGHT, budget
from edge_app.commands.doctor import doctor
from edge_app.errors import EXIT_CONFIG, EXIT_GOOD

from tests.support.tiny_onnx import detector

FHD = (1920, 1080, 25)


def site(count=4, uri='rtsp://10.0.0.%d/live', **changes):
    made = config.from_uris([uri % number for number in range(count)])
    cameras = tuple(attrs.evolve(camera, name='cam%d' % number) for number, camera in enumerate(made.cameras, 1))
    return attrs.evolve(made, cameras=cameras, **changes)


def every(made, **changes):
    return attrs.evolve(made, cameras=tuple(attrs.evolve(camera, **changes) for camera in made.cameras))


def engine(made, **changes):
    return attrs.evolve(made, engine=attrs.evolve(made.engine, **changes))


def taken(made, resource, who, stream=FHD):
    return [row for row in rows(made, stream) if row.resource == resource and who in row.who]


def state(found, resource):
    return next(verdict.state for verdict in found.verdicts if verdict.resource == resource)


def test_every_figure_has_a_kind_and_an_origin():
    for name, figure in figures.FIGURES.items():
        assert figure.kind in (figures.MEASURED, figures.PUBLISHED, figures.ESTIMATE, figures.COMPUTED), name
        assert figure.value > 0 and figure.unit and len(figure.origin) > 10, name


def test_every_row_says_where_it_is_from():
    for row in rows(site(), FHD):
        assert row.kind and row.source and row.amount > 0, row


def test_decoder_by_pixels_and_codec():
    four = taken(site(), 'decoder', 'cam')
    assert len(four) == 4 and four[0].amount == pytest.approx(1920 * 1080 * 25 / 1e6)
    assert taken(every(site(), decoder='software'), 'decoder', '') == []
    assert taken(site(uri='test://%d'), 'decoder', '') == []
    assert len(taken(every(site(), decoder='software'), 'cpu', 'decoding')) == 4
    off = attrs.evolve(site(), cameras=site().cameras[:3] + (attrs.evolve(site().cameras[3], enabled=False),))
    assert len(taken(off, 'decoder', '')) == 3 and len(taken(off, 'memory', 'rings of')) == 3


def test_rings_are_what_is_reserved():
    ring = taken(site(), 'memory', 'rings of cam1')[0]
    assert ring.kind == figures.COMPUTED
    assert ring.amount == pytest.approx((14 * 640 * 360 * 1.5 + 4000000) / 2 ** 20)
    small = taken(attrs.evolve(site(), memory_mb=16), 'memory', 'rings of cam1')[0]
    assert small.amount == pytest.approx((12 * 640 * 360 * 1.5 + 4000000) / 2 ** 20), '4 MB hold 12 frames'


def test_encoder_counts_what_may_be_watched():
    assert [row.amount for row in taken(site(2), 'encoder', '')] == pytest.approx(
        [1280 * 720 * 25 / 1e6] + 2 * [640 * 360 * 25 / 1e6])
    plain = attrs.evolve(site(2), outputs=(config.Output('rtsp://127.0.0.1:8554/mosaic', annotated=False),
                                           config.Output('null:')))
    assert len(taken(plain, 'encoder', '')) == 1


def test_the_engine_of_another_machine_takes_nothing_of_this_one():
    remote = engine(site(), model='http://host:8000/v2/models/yolox', backend='kserve')
    assert taken(remote, 'memory', 'CUDA') == [] and taken(remote, 'gpu', '') == []
    assert any('does not run on the board' in note for note in budget(remote, FHD).notes)
    off = engine(site(), enabled=False)
    assert taken(off, 'memory', 'analyze') == [] and taken(off, 'cpu', 'boxes') == []


def test_time_of_the_gpu_follows_from_the_model(tmp_path):
    path = str(tmp_path / 'tiny.onnx')
    with open(path, 'wb') as stream:
        stream.write(detector('yolox'))
    made = engine(site(2), model=path)
    assert model_of(made).size == (64, 32) and model_of(made).gflop < 0.001
    each_ms = figures.FIGURES['gpu_each'].value
    assert [row.amount for row in taken(made, 'gpu', '')] == pytest.approx([25 * each_ms / 10] * 2, rel=0.01)
    assert taken(every(made, max_fps=10), 'gpu', '')[0].amount == pytest.approx(each_ms, rel=0.01)


def test_an_embedded_model_is_counted_and_half_precision_is_faster():
    full, half = (sum(row.amount for row in taken(engine(site(), precision=precision), 'gpu', ''))
                  for precision in ('fp32', 'fp16'))
    assert 0 < half < full


@pytest.mark.parametrize('made, stream, resource, wanted', [
    (site(4), FHD, 'memory', FITS),
    (site(4), FHD, 'decoder', FITS),
    (site(16), FHD, 'decoder', TIGHT),
    (site(17), FHD, 'decoder', OVER),
    (site(4), (3840, 2160, 30), 'decoder', OVER),
    (attrs.evolve(every(site(4), size=(1920, 1080)), memory_mb=8000), FHD, 'memory', FITS),
    (attrs.evolve(every(site(80), size=(1920, 1080)), memory_mb=16000), (640, 360, 25), 'memory', OVER),
    (every(site(9), decoder='software'), FHD, 'cpu', TIGHT),
    (site(64), (640, 360, 25), 'gpu', TIGHT),
])
def test_verdicts(made, stream, resource, wanted):
    found = budget(made, stream)
    assert state(found, resource) == wanted
    assert bool(found.problems) == any(verdict.state == OVER for verdict in found.verdicts)


def test_swap_is_no_memory():
    """What does not fit 7854 MB is refused, whatever swap a board has."""
    assert budget(site(), FHD).verdicts[0].capacity == 7854


def test_rates_that_are_promised_must_be_possible():
    found = budget(every(site(8), min_fps=20), FHD)
    assert len(found.problems) == 1 and found.problems[0].startswith('cameras[].min_fps: 160 frames/s')
    assert budget(every(site(8), min_fps=1), FHD).problems == ()


def test_frames_beyond_the_gpu_are_dropped_and_reported():
    assert any('dropped, not delayed' in note for note in budget(site(32), (640, 360, 25)).notes)
    assert any('every frame can be analysed' in note for note in budget(site(2), FHD).notes)


# -- the command ----------------------------------------------------------------------------------------------------

def run(*arguments):
    done = CliRunner().invoke(doctor, ['--budget'] + list(arguments), standalone_mode=False)
    assert done.exception is None, done.exception
    return done.return_value, done.output


def test_the_table_names_its_sources_once():
    code, said = run()
    assert code == EXIT_GOOD and 'not verified on a board' in said
    listed = said[said.index('sources'):]
    assert said.count(figures.FIGURES['gpu_fp32'].origin) == 1 and '[1] ' in listed
    assert 'memory without swap: ' in said and 'published' in said and 'estimate' in said and 'measured' in said


def test_what_does_not_fit_has_exit_code_2():
    code, said = run('--stream', '3840x2160@30')
    assert code == EXIT_CONFIG and 'DOES NOT FIT: video decoder' in said


def test_as_json(tmp_path):
    path = tmp_path / 'site.yaml'
    cameras = ['  - {name: c%d, uri: "rtsp://u:hunter2@10.0.0.1/%d"}\n' % (number, number) for number in range(30)]
    path.write_text('cameras:\n' + ''.join(cameras))
    code, said = run(str(path), '--json')
    found = json.loads(said)
    assert code == EXIT_CONFIG and found['fits'] is False and found['problems'] and 'hunter2' not in said
    assert {row['kind'] for row in found['rows']} == {'measured', 'estimate', 'computed'}
    assert [verdict['resource'] for verdict in found['resources']] == ['memory', 'decoder', 'encoder', 'gpu', 'cpu']


@pytest.mark.parametrize('stream', ['1920x1080', 'axb@c', '1920x1080@0', '1x1@1'])
def test_a_stream_that_is_none(stream):
    assert cli.main(['doctor', '--budget', '--stream', stream]) == EXIT_CONFIG
