"""Registry of methods, runner, metrics, reports and the command line."""
