"""One process a run: forked from a warm parent, confined, watched and killed from outside."""
