"""Plans rehearsed on this machine: a process a host, a held loopback connection a hop."""
