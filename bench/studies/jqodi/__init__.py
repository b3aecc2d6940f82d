"""Jqodi."""
