"""Settings of the whole suite."""

import os

from hypothesis import HealthCheck, settings

# Speed belongs in benchmarks: on a loaded machine no test may fail for being slow.
settings.register_profile(
    "random", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# The same examples each time: a green suite turns red by a change, never by chance.
settings.register_profile("fixed", settings.get_profile("random"), derandomize=True)
settings.load_profile("random" if os.environ.get("SPLITOPT_RANDOM_TESTS") else "fixed")
