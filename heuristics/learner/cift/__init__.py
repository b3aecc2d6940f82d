"""CIFT as a Markov decision process, and its policies."""
