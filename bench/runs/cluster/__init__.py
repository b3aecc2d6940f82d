"""Runs spread over several machines by Dask distributed; imported only where it is asked for."""
