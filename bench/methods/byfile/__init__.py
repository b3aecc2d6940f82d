"""Any solver as a method: the model built once, written to a file, solved in its own process."""
