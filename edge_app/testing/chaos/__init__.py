"""Everything that can happen to an appliance, done to a real one on purpose, and what the rest of it felt."""
