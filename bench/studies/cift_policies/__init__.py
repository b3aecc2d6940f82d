"""Policies trained on CIFT: docs/learner.md."""
