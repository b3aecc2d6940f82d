"""CIFT as an assignment of blocks to nodes; `method` states the mathematics."""
