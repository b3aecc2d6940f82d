"""What every method has to keep, whoever wrote it: the checks behind `splitopt conform`."""
