"""The composition root: command line, HTTP service, supervisor of the processes, demo. Nobody imports it."""
