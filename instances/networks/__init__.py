"""Profiles of networks and their learning curves."""
