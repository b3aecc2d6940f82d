"""Small packages to begin from: a method, or a family of instances, of one's own."""
