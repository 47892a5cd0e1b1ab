"""Simulated cameras: drawn scenes with their ground truth and a timecode in every picture, served over RTSP."""
