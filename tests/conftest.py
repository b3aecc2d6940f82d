"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# Speed belongs in benchmarks: on a loaded machine no test may fail for being slow.
settings.register_profile("splitopt", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("splitopt")
