"""What cuts through several tensors save over cuts through one: docs/graphs.md."""
