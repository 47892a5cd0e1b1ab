"""The HTTP server: health, metrics, the report, the newest picture of each camera."""
