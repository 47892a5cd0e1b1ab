"""What each process does: the only place where stages meet."""
