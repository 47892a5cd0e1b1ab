"""Starting, watching and ending processes: the supervisor, and the common part of its workers."""
