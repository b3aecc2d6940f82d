"""Proximal policy optimisation: the learner, and what it plays MEPRA and CIFT with.

`ppo`, `checkpoint` and the environments need JAX and optax (``pip install "splitopt[learn]"``);
the methods that run committed policies need NumPy alone. Nothing is imported here, so that naming
the package costs nothing.
"""
