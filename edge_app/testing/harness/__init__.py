"""What bench, chaos, selftest and tests share: run an appliance, watch its streams, listen to its results."""
