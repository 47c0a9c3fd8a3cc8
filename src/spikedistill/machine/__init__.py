"""What is asked of the machine: devices and number formats, memory, signals, state files, progress."""
