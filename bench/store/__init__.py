"""Rows of runs and where they are kept; the ground floor of the bench."""
