"""One command on a board proves what could not be proven without one, and reports it to whoever is far away."""
