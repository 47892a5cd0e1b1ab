"""Darknet's `.cfg`: what is read, what is refused and where the message points."""
import random

import pytest

from edge_app.engine.darknet import network as kinds
from edge_app.engine.darknet.cfg import CHARACTERS, parse_cfg, read_cfg
from edge_app.engine.darknet.weights import needed
from edge_app.errors import EngineError

from tests.support.darknet_models import PUBLISHED, parse_network

NET = '[net]\nwidth=32\nheight=64\n'
CONV = '[convolutional]\nfilters=18\nsize=3\npad=1\nstride=2\nactivation=linear\n'
HEAD = '[yolo]\nmask=0,1,2\nanchors=1,2, 3,4, 5,6\nclasses=1\n'


def refused(text):
    with pytest.raises(EngineError) as caught:
        parse_network(text, 'some.cfg')
    assert str(caught.value).startswith('some.cfg:')
    return str(caught.value)


def layers(text):
    return parse_network(NET + text + CONV + HEAD).layers


# the text

def test_sections_options_and_lines():
    sections = parse_cfg('# first\n[net]\n width = 32 # wide\n\n; more\n[ Route ]\nlayers = -1, 4\n')
    assert [(section.name, section.line) for section in sections] == [('net', 2), ('route', 6)]
    assert sections[0].options == {'width': '32'} and sections[1].numbers('layers') == [-1, 4]


def test_line_ends_of_windows_and_comments_in_any_language(tmp_path):
    path = tmp_path / 'some.cfg'
    path.write_bytes(b'[net]\r\nwidth=32\r\n# \xce\xc4\xb5\xb5 \xff\r\n')
    assert read_cfg(str(path))[0].whole('width', 0) == 32


@pytest.mark.parametrize('text, words', [
    ('', r'no \[section\]'), ('width=3\n[net]', 'some.cfg:1: width=3 is before'),
    ('[net]\nwidth', 'some.cfg:2: width is neither'), ('[net', r'some.cfg:1: \[net is not a \[section\]'),
    ('[net]\n=5', 'some.cfg:2'), ('[net]\n' * 3000, 'at most 2000'), ('#' * (CHARACTERS + 1), 'longer than any')])
def test_a_text_that_is_no_cfg(text, words):
    with pytest.raises(EngineError, match=words):
        parse_cfg(text, 'some.cfg')


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(EngineError, match='no.cfg: cannot be read: No such file'):
        read_cfg(str(tmp_path / 'no.cfg'))


def test_a_key_given_twice_is_a_mistake_once_it_matters():
    assert '[convolutional] in line 4: stride is given twice, with another value in line 10' in refused(
        NET + CONV + 'stride=1\n' + HEAD)
    parse_network('[net]\nbatch=1\nbatch=64\nwidth=32\nheight=64\n' + CONV + HEAD)  # both for training and testing


# layers and shapes

@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_published_networks_have_their_published_numbers(name):
    text, layer_count, convolution_count, number_count = PUBLISHED[name]
    net = parse_network(text((416, 416), 80))
    assert (len(net.layers), len(net.convolutions)) == (layer_count, convolution_count)
    assert sum(needed(layer) for layer in net.convolutions) == number_count
    grids = (13, 26) if 'tiny' in name else (13, 26, 52)
    assert sorted(head.shape[1] for head in net.heads) == list(grids)
    assert net.rows == 3 * sum(side * side for side in grids) and net.classes == 80


def test_a_head_knows_its_anchors():
    net = parse_network(NET + CONV + HEAD.replace('mask=0,1,2', 'mask=2,0,1') + 'scale_x_y=1.05\n')
    assert net.heads[0].anchors == ((5, 6), (1, 2), (3, 4))
    assert (net.size, net.heads[0].shape, net.heads[0].scale_x_y) == ((32, 64), (18, 32, 16), 1.05)


@pytest.mark.parametrize('options, shape, before, after', [
    ('size=2\nstride=2', (3, 32, 16), 0, 1), ('size=2\nstride=1', (3, 64, 32), 0, 1), ('size=5', (3, 64, 32), 2, 2),
    ('size=3\nstride=2', (3, 32, 16), 1, 1), ('size=3\nstride=2\npadding=0', (3, 31, 15), 0, 0)])
def test_poolings_pad_as_darknet_does(options, shape, before, after):
    pool = layers('[maxpool]\n%s\n' % options)[0]
    assert (pool.shape, pool.before, pool.after) == (shape, before, after)


def test_routes_count_from_both_ends_and_take_a_share():
    two = '[convolutional]\nfilters=4\nactivation=leaky\n[convolutional]\nfilters=8\nactivation=mish\n'
    assert layers(two + '[route]\nlayers=-1,0\n')[2].sources == (1, 0)
    assert layers(two + '[route]\nlayers=-1,0\n')[2].shape == (12, 64, 32)
    assert layers(two + '[route]\nlayers=1,-2\ngroups=2\ngroup_id=1\n')[2].shape == (6, 64, 32)


def test_defaults_are_darknets():
    convolution = layers('[convolutional]\n')[0]
    assert (convolution.filters, convolution.size, convolution.padding, convolution.activation) == (1, 1, 0, 'logistic')
    assert not convolution.normalised
    assert layers('[upsample]\n')[0].shape == (3, 128, 64)
    assert isinstance(layers('[dropout]\nprobability=.5\n')[0], kinds.Dropout)


@pytest.mark.parametrize('section', [
    'region', 'connected', 'avgpool', 'local_avgpool', 'softmax', 'reorg', 'crnn', 'sam', 'scale_channels',
    'Gaussian_yolo', 'deconvolutional'])
def test_another_kind_of_layer_is_named_with_its_line(section):
    message = refused(NET + '[dropout]\n[%s]\n' % section + CONV + HEAD)
    assert '[%s] in line 5: layer 1 is of a kind that is not supported' % section.lower() in message
    assert 'convolutional' in message


@pytest.mark.parametrize('change, words', [
    (('size=3', 'size=three'), '[convolutional] in line 4: size=three must be a whole number'),
    (('size=3', 'size=3\ndilation=2'), 'dilation=2 is not supported'),
    (('size=3', 'size=3\nantialiasing=1'), 'antialiasing=1 is not supported'),
    (('size=3', 'size=3\ngroups=2'), 'groups=2 does not divide both 3 channels and filters=18'),
    (('size=3', 'size=3\nstride_x=1'), 'stride_x is not the same as stride=2'),
    (('linear', 'selu'), 'activation=selu is not supported; supported: linear, leaky'),
    (('filters=18', 'filters=99999'), 'filters=99999 must be 1 to 65536'),
    (('filters=18', 'filters=21'),
     'layer 1: 3 anchors of 5 + 1 classes need 18 channels, but the layer before gives 21'),
    (('classes=1', 'classes=2'), '3 anchors of 5 + 2 classes need 21 channels'),
    (('classes=1', 'classes=1\nnew_coords=1'), 'new_coords=1 needs activation=logistic in layer 0, not linear'),
    (('mask=0,1,2', 'mask=0,1,3'), 'mask=0,1,3 does not fit 6 numbers in anchors='),
    (('5,6', '5'), 'does not fit 5 numbers in anchors='), (('5,6', '5,0'), 'sizes in pixels, above 0'),
    (('5,6', '5,x'), 'anchors=x must be a number'), (('width=32', 'width=0'), 'width=0 must be 8 to 4096'),
    (('width=32', 'width=32\nchannels=1'), 'only colour pictures'), (('[net]', '[yolo]'), 'begins with [net]'),
    ((HEAD, ''), 'no [yolo] layer'), ((CONV, ''), 'has no layer before it to decode'),
    (('[yolo]', '[route]\nlayers=-2\n[yolo]'), 'layer 1 refers to layer -1'),
    (('[yolo]', '[route]\nlayers=7\n[yolo]'), 'layer 1 refers to layer 7 (layers=7), which is not an earlier layer'),
    (('[yolo]', '[route]\n[yolo]'), 'layers= is missing'),
    ((CONV, CONV + CONV + '[route]\nlayers=-1,-2\n'), 'layer 2 joins layer 1 (18 x 16 x 8) and layer 0 (18 x 32 x 16)'),
    ((CONV, CONV + CONV + '[shortcut]\nfrom=-2\n'), 'layer 2 adds layer 0 (18 x 32 x 16) to 18 x 16 x 8'),
    ((CONV, CONV + '[shortcut]\nfrom=-1\nweights_type=per_feature\n'), 'weights_type=per_feature is not supported'),
    ((HEAD, HEAD + '[convolutional]\nfilters=21\nactivation=linear\n' + HEAD.replace('classes=1', 'classes=2')),
     'classes=2, but the first [yolo] has 1'),
    ((CONV, '[upsample]\nstride=32\n' * 3 + CONV), 'numbers')])
def test_what_is_wrong_is_named(change, words):
    text = NET + CONV + HEAD
    assert change[0] in text
    assert words in refused(text.replace(change[0], change[1], 1))


# whatever comes

def test_any_damage_is_an_engine_error_and_never_costs_much():
    text = PUBLISHED['yolov4-tiny'][0]()
    dice = random.Random(5)
    refusals = 0
    for _ in range(300):
        damaged = list(text)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(damaged))
            damaged[at:at + dice.randint(0, 3)] = dice.choice(['', '9', '-', '[', ']', '=', '\n', '\0', ',', 'x',
                                                               '\u20ac'])
        try:
            parse_network(''.join(damaged))
        except EngineError:
            refusals += 1
    assert 50 < refusals < 300  # damage in a comment or an unused option is none


def test_any_lines_of_options_are_an_engine_error_or_a_network():
    words = ['[net]', '[yolo]', '[route]', '[convolutional]', '[shortcut]', '[maxpool]', '[upsample]', 'layers=-1',
             'from=-3', 'filters=65536', 'size=64', 'stride=64', 'groups=65536', 'width=4096', 'height=4096',
             'anchors=1,1', 'mask=0', 'layers=' + '-1,' * 500, 'size=-1', 'scale=nan', 'classes=1e9',
             'filters=' + '9' * 4000, 'padding=64']
    dice = random.Random(6)
    for _ in range(300):
        text = NET + '\n'.join(dice.choice(words) for _ in range(30))
        with pytest.raises(EngineError):
            parse_network(text + '\n[end]')
