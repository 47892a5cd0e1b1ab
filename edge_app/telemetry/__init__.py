"""Numbers for those who watch over an appliance."""
