"""Why the optimum is what it is, in words: what binds, what comes next, what a change is worth."""

from bench.explaining.findings import Explanation, Finding
from bench.explaining.reasons import explain

__all__ = ["Explanation", "Finding", "explain"]
