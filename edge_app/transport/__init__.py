"""Between the processes: frames and access units through shared memory, messages through sockets."""
