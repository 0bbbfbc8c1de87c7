"""The contract of a backend, as tests: see :class:`~.backend.BackendContract`."""
