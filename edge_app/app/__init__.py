"""What runs on this machine: the processes of a configuration, one run from start to end."""
