"""Numbers for those who watch over an appliance: the board it runs on, and the books as Prometheus text."""
