"""Tables, figures and references of a set of runs for a paper in LaTeX."""
