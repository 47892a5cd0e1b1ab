"""Which frames the engine analyses, and when."""
