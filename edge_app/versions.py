"""Which versions of what edge-app needs go with which Python: the one table that installs come from.

`setup.py` reads it by executing it, so it imports nothing. `edge-app doctor` compares with what is installed.
"""

LAST = {
    # What an old interpreter can still have: the last release of each package that installs there, found with its pip.
    # An empty cell means the newest that `LIMITS` allows.
    #  package           3.6          3.7         3.8         3.9
    'numpy':            ('1.19.5',   '1.21.6',   '1.24.4',   '2.0.2'),
    'attrs':            ('22.2.0',   '24.2.0',   '25.3.0',   ''),
    'click':            ('8.0.4',    '8.1.8',    '8.1.8',    '8.1.8'),
    'PyYAML':           ('6.0.1',    '6.0.1',    '6.0.3',    ''),
    'aiohttp':          ('3.8.6',    '3.8.6',    '3.10.11',  '3.13.5'),
    'onnxruntime':      ('1.10.0',   '1.14.1',   '1.19.2',   '1.19.2'),
    'opencv-python':    ('4.6.0.66', '',         '',         ''),
    'PyGObject':        ('3.42.2',   '',         '',         ''),
    # extras
    'torch':            ('1.10.2',   '',         '',         ''),
    'pycuda':           ('2022.1',   '2022.1',   '',         ''),
    'jetson-stats':     ('4.3.2',    '',         '',         ''),
    'openvino':         ('2022.2.0', '',         '',         ''),
    'paho-mqtt':        ('1.6.1',    '',         '',         ''),
    'redis':            ('4.3.6',    '',         '',         ''),
    'tritonclient[http]': ('2.41.1', '',       '',         ''),
    'gevent':           ('22.10.2',  '22.10.2',  '24.2.1',   '25.9.1'),   # for tritonclient; then no wheels
    'pycocotools':      ('2.0.7',    '',         '',         ''),
    'onnx':             ('1.11.0',   '',         '',         ''),
    # tests
    'pytest':           ('7.0.1',    '7.4.4',    '8.3.5',    '8.4.2'),
    'pytest-timeout':   ('2.1.0',    '',         '',         ''),
    'pytest-xdist':     ('3.0.2',    '3.5.0',    '3.6.1',    ''),
    'hypothesis':       ('6.31.6',   '6.79.4',   '6.113.0',  '6.141.1'),
    'vermin':           ('',         '',         '',         ''),
    'aiortsp':          ('',         '',         '',         ''),
    'nvidia-cuda-nvrtc-cu12': ('12.4.127',) * 4,
    'flake8':           ('5.0.4',    '5.0.4',    '7.1.2',    ''),
    'isort':            ('5.10.1',   '5.11.5',   '5.13.2',   ''),
    'vulture':          ('2.8',      '2.9.1',    '',         ''),
    'setuptools':       ('59.6.0',   '',         '',         ''),
    'mlserver':         ('',         '',         '',         ''),
}

INTERPRETERS = ('3.6', '3.7', '3.8', '3.9')
"""The columns of `LAST`; a newer Python takes the newest release within `LIMITS`."""

LIMITS = {
    'nvidia-cuda-nvrtc-cu12': '==12.4.127',   # compiles for a TX2, which 13 has dropped
    'opencv-python': '<5',   # 5 cannot read Darknet's .cfg and .weights any more
}

ONLY = {
    'mlserver': '3.10 3.11 3.12',   # a real server to test against; left out elsewhere
}

NEEDED = ('numpy', 'attrs', 'click', 'PyYAML', 'aiohttp', 'onnxruntime', 'opencv-python')

EXTRAS = {
    'gi': ('PyGObject',),
    'tensorrt': ('pycuda',),
    'torch': ('torch',),
    'jetson': ('jetson-stats',),
    'openvino': ('openvino',),
    'kserve': ('tritonclient[http]', 'gevent'),
    'eval': ('pycocotools',),
    'quantize': ('onnx',),
    'mqtt': ('paho-mqtt',),
    'redis': ('redis',),
    'dev': ('pytest', 'pytest-timeout', 'pytest-xdist', 'hypothesis', 'vermin', 'aiortsp', 'flake8', 'isort', 'vulture',
            'setuptools', 'nvidia-cuda-nvrtc-cu12', 'openvino', 'pycocotools', 'onnx', 'tritonclient[http]', 'gevent',
            'mlserver'),
}

JETPACK = ('numpy', 'opencv-python', 'onnxruntime', 'torch')
"""What JetPack 4 brings itself (apt, or NVIDIA's own wheels): the registry's builds know neither GStreamer nor CUDA."""

_ON_JETPACK = "platform_machine == 'aarch64' and python_version == '3.6'"
_NOT_ON_JETPACK = "(platform_machine != 'aarch64' or python_version != '3.6')"


def requirements(package):
    """Lines for pip that together name `package` once for every interpreter."""
    lines, limit = [], LIMITS.get(package, '')
    if package in ONLY:
        return [_line(package, limit, "python_version in '%s'" % ONLY[package])]
    for interpreter, version in zip(INTERPRETERS, LAST[package]):
        wanted = '==' + version if version else limit
        lines.append(_line(package, wanted, "python_version == '%s'" % interpreter))
    newer = "python_version not in '%s'" % ' '.join(INTERPRETERS)
    return lines + [_line(package, limit, newer)]


def _line(package, wanted, marker):
    if package in JETPACK:
        marker += ' and ' + _NOT_ON_JETPACK
    return '%s%s; %s' % (package, wanted, marker)


def wanted(package, interpreter):
    """The version `interpreter` ('3.6') is given, '' when it is the newest allowed."""
    row = dict(zip(INTERPRETERS, LAST[package]))
    return row.get(interpreter, '')
