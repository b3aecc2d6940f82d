"""Mepra."""
