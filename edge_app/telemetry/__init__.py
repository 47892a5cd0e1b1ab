"""Monitoring: the board's sensors, and all counters as Prometheus text."""
