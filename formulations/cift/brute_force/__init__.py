"""Brute force."""
