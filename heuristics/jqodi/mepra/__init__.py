"""JQODI on MEPRA: the program over devices (see `jqodi.mepra.method`)."""
