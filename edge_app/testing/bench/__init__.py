"""What can be measured of this machine and of a model, each in a module of its own."""
