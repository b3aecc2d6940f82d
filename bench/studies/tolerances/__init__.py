"""What solvers call optimal, at their defaults and at a gap of 0."""
