"""What `standard-v1` covers: a figure of docs/instances.md."""
