"""Random tiny instances, plain and degenerate: every claim is held against enumeration."""
