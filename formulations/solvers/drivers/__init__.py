"""One module a solver: it imports the solver and the standard library, and nothing else of ours.

`start` runs one of them by the interpreter of an environment in which splitopt is not installed.
A module has ``load()``, which imports the solver and returns its name with its version;
``check(parameters)``, which returns them as the solver holds them; and ``solve(request)``, which
returns an answer: see `common`. Some have ``size(file)``, which returns the rows and columns that
they read.
"""
