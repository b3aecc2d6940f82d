"""JQODI on CIFT: the time-energy program (see `jqodi.cift.method`)."""
