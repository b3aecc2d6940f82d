"""The candidates for `standard-v1`: what its selection reads."""
