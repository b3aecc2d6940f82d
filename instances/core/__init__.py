"""What knows no problem: documents, fields, errors, exact arithmetic, tolerances."""
