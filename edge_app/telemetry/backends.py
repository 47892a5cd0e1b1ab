"""Which backend reads the board's sensors."""
import importlib.util
import logging

from edge_app.telemetry.files import Tree
from edge_app.telemetry.jetson import Jetson
from edge_app.telemetry.linux import Linux

log = logging.getLogger(__name__)


def quiet(root='/'):
    """The cheapest Telemetry: the kernel's files."""
    return Jetson(root) if Jetson.here(Tree(root)) else Linux(root)


def best(root='/'):
    """The most complete Telemetry: jtop on a Jetson where it works, else `quiet`."""
    if Jetson.here(Tree(root)) and importlib.util.find_spec('jtop'):
        from edge_app.telemetry.jtop import Jtop
        telemetry, why = Jtop.open(root)
        if telemetry is not None:
            return telemetry
        log.warning('%s; read from sysfs instead', why)
    return quiet(root)
