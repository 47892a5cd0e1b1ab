"""The faults a simulated camera can have, one class each; `FAULTS` is the table by name.

A fault acts on connections, on requests (answered instead of the camera), on packets to the client, or at the camera
itself. The settings of a class are the options of its fault.
"""
from edge_app import gst
from edge_app.testing.simulator.faults import connection, packets, picture
from edge_app.testing.simulator.faults.base import ALL, FAULTS, Fault

__all__ = ['ALL', 'FAULTS', 'Fault', 'missing', 'connection', 'packets', 'picture']


def missing(elements):
    """Why one of these elements cannot be had, or None."""
    for element in elements:
        try:
            gst.make(element)
        except gst.ElementMissing as error:
            return str(error)
    return None
