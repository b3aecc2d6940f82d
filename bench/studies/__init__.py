"""Studies: a folder for each page of results; ``python -m splitopt.bench.studies`` lists them."""
