"""What is true of a run: the judge, other runs, and the best-known registry."""
