"""The table of methods, plugins, models as files, and what every method has to keep."""
