"""What a configuration costs on a Jetson TX2, before anybody has one in hand."""
