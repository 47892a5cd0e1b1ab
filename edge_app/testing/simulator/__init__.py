"""A drawn world that stands in for real cameras: scenes, their truth, and a mark in every picture."""
