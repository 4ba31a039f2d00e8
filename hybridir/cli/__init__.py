"""The command `hybridir`."""
