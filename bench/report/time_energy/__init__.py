"""The picture of JQODI's time-energy tree."""
