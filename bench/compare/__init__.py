"""Runs of methods beside each other: what tables count, metrics, pairs, integrals."""
