"""How plans under doubt fare on runs that nobody saw: uncertainty.md."""
