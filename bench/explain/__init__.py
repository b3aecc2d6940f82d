"""Why the optimum is what it is, in words: what binds, what comes next, what a change is worth."""

from splitopt.bench.explain.findings import Explanation, Finding
from splitopt.bench.explain.reasons import explain

__all__ = ["Explanation", "Finding", "explain"]
