"""The command line and the processes: the only place where parts are put together."""
