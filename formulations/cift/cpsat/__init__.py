"""Cpsat."""
