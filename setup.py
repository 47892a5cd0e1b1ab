"""How edge-app is installed: `pip install .`, or `make setup`, which also brings what pip cannot."""
import glob
import os
import re
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = ('*.onnx', '*.yaml')


def read(*path):
    with open(os.path.join(HERE, *path), encoding='utf-8') as file:
        return file.read()


def table():
    """The names of edge_app/versions.py, without importing the package and all it needs."""
    names = {}
    exec(read('edge_app', 'versions.py'), names)
    return names


def beside_the_code():
    """Everything in the package that is not code: pages, examples, the pictures they show."""
    root = os.path.join(HERE, 'edge_app')
    found = (os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)
    return [os.path.relpath(path, root) for path in sorted(found)
            if not path.endswith(('.py', '.pyc')) or os.sep + 'examples' + os.sep in path]


class BuildWithModels(build_py):
    """Puts the models of the checkout into the package, where an installed edge-app looks for them."""

    def run(self):
        build_py.run(self)
        if getattr(self, 'editable_mode', False):
            return
        target = os.path.join(self.build_lib, 'edge_app', 'models')
        self.mkpath(target)
        for pattern in MODELS:
            for path in glob.glob(os.path.join(HERE, 'models', pattern)):
                shutil.copy(path, target)


def main():
    versions = table()
    setup(
        name='edge_app',
        version=re.search(r"__version__ = '([^']+)'", read('edge_app', '__init__.py')).group(1),
        description='Multi-camera video analytics for a Jetson TX2, and for a laptop in one command',
        long_description=read('README.md'),
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        python_requires='>=3.6',
        packages=find_packages(include=['edge_app', 'edge_app.*']),
        package_data={'edge_app': beside_the_code()},
        install_requires=[line for name in versions['NEEDED'] for line in versions['requirements'](name)],
        extras_require={extra: [line for name in names for line in versions['requirements'](name)]
                        for extra, names in versions['EXTRAS'].items()},
        entry_points={'console_scripts': ['edge-app = edge_app.cli:main']},
        cmdclass={'build_py': BuildWithModels},
        zip_safe=False,
        classifiers=['Operating System :: POSIX :: Linux', 'Programming Language :: Python :: 3',
                     'Topic :: Multimedia :: Video :: Capture'],
    )


main()
