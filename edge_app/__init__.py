"""Multi-camera video analytics for a Jetson TX2, and for a laptop in one command."""

__version__ = '0.1.0'
