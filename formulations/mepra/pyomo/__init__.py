"""Pyomo."""
