"""Simulated cameras, benchmarks, fault injection, self-test: tools around the appliance, imported by commands only."""
