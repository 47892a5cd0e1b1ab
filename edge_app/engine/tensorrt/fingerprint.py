"""What of this machine a plan depends on."""
import functools
import hashlib
import re

RELEASE = '/etc/nv_tegra_release'
"""First line of L4T's release: '# R32 (release), REVISION: 7.6, GCID: ..., BOARD: t186ref, ...'."""
MAPS = '/proc/self/maps'


def l4t_release(path=RELEASE):
    """'R32.7.6 t186ref' of a Jetson, '' elsewhere."""
    try:
        with open(path) as stream:
            line = stream.readline()
    except OSError:
        return ''
    found = re.match(r'#\s*(R\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)(?:.*BOARD:\s*(\w+))?', line)
    return '%s.%s %s' % (found.group(1), found.group(2), found.group(3) or '') if found else line.strip()


def loaded_library(name, maps=MAPS):
    """Real path of a library that this process has loaded ('libcudnn'), '' when it has not."""
    with open(maps) as stream:
        paths = {line.split(None, 5)[5].strip() for line in stream if line.count(' ') >= 5 and '/' in line}
    return next((path for path in sorted(paths) if path.rpartition('/')[2].startswith(name + '.so')), '')


def version_in_name(path):
    """'8.2.1' of '/usr/lib/libcudnn.so.8.2.1', '' without one."""
    return path.rpartition('.so.')[2] if '.so.' in path else ''


def digest_of(path):
    """sha256 of a file, '' when there is none."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as stream:
            for part in iter(lambda: stream.read(1 << 20), b''):
                digest.update(part)
    except OSError:
        return ''
    return digest.hexdigest()


@functools.lru_cache(maxsize=None)
def libraries():
    """The libraries a plan depends on, as they are first seen: newer TensorRTs load more of them while they build."""
    return {'cudnn': version_in_name(loaded_library('libcudnn')),
            'plugins_sha256': digest_of(loaded_library('libnvinfer_plugin'))}


def facts(tensorrt_version, gpu):
    """The machine's part of a plan's key. Call it with TensorRT and its plugins loaded; `gpu` is a gpu.Gpu."""
    return dict(libraries(), tensorrt=tensorrt_version, cuda=gpu.cuda_version, gpu=gpu.name,
                compute='%d.%d' % gpu.compute, multiprocessors=gpu.multiprocessors, l4t=l4t_release())
