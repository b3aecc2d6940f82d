"""What is ruled out before HiGHS and CP-SAT are asked, and what it brings: docs/strength.md."""
