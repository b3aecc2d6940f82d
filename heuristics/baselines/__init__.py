"""Baselines of both problems: what a planner without an optimiser would do."""
