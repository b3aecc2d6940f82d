"""CIFT as a flow over blocks and speeds; `method` states the mathematics."""
