"""The picture of the first page."""
