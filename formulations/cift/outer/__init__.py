"""CIFT with continuous speeds by outer approximation; `method` states the mathematics."""
