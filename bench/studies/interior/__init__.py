"""Optimal splits inside the network, in the sources' instances: docs/instances.md."""
