"""PPO on MEPRA, its seeds and gaps: docs/learner.md."""
