"""Fault injection: everything that can happen to an appliance, done to a real one, and its impact on the rest."""
