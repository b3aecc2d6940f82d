"""What ends a set of runs on a cluster."""


class ClusterError(OSError):
    """The cluster cannot go on; what was stored is kept."""
