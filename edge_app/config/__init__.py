"""The configuration, checked as a whole before anything starts.

    config = load('site.yaml')            ConfigError with every mistake, each with its path and line
    config = from_uris(['rtsp://...'])    the same from a command line
    from_dict(to_dict(config, secrets=True)) == config, for workers
"""
from edge_app.config.load import from_dict, from_uris, load, restart_settings, to_dict
from edge_app.config.schema import Camera, Config, Display, Engine, Output, Sink, Tls, Web

__all__ = ['Camera', 'Config', 'Display', 'Engine', 'Output', 'Sink', 'Tls', 'Web',
           'from_dict', 'from_uris', 'load', 'restart_settings', 'to_dict']
