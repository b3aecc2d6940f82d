"""JQODI's guarantee put to the test on instances, adversaries and growing graphs."""
