"""MEPRA as a game of devices, and its policies."""
