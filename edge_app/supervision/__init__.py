"""Starting, watching and ending processes: what the supervisor does, and what every child of it does first."""
