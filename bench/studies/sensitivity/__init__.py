"""Times by seed, threads and gap: docs/strength.md."""
