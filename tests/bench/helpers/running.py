"""Sets of runs as tests ask for them: selection, limits and the rest as keywords."""

import psutil

from splitopt.bench.runs import runner
from splitopt.bench.runs.runner import RunSpec
from splitopt.bench.store.rows import Limits

_HOW = ("jobs", "cluster", "on_event", "retry", "command", "keep_logs")
_WHICH = ("seeds", "repetitions", "options", "plugins")


def spec_of(instances, methods, *, time_limit_s, **settings):
    which = {name: settings.pop(name) for name in _WHICH if name in settings}
    limits = Limits.of(time_limit_s, **settings)
    return RunSpec(instances=instances, methods=methods, limits=limits, **which)


def run_set(instances, methods, out, **settings):
    how = {name: settings.pop(name) for name in _HOW if name in settings}
    return runner.run_set(spec_of(instances, methods, **settings), out, **how)


def plan(instances, methods, out=None, **settings):
    how = {name: settings.pop(name) for name in _HOW if name in settings}
    return runner.plan(spec_of(instances, methods, **settings), out, **how)


def gone(processes):
    """Return whether all of some processes have ended."""
    return not any(map(_alive, processes))


def _alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False
