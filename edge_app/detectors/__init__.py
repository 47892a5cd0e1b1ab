"""From a camera's frame to the network's picture, and from its numbers to boxes: shared by every engine."""
