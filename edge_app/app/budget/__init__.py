"""Estimates what a configuration needs on a Jetson TX2."""
