"""What each process of the appliance does, one module each."""
