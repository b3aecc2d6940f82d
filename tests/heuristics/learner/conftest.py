"""What JAX compiles in tests runs for a moment: compiling it well takes longer than running it."""

import os

os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
