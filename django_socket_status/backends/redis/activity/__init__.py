"""What Redis keeps beside the open connections: see :mod:`..keys`."""
