"""Everything around the methods: their table, runs, verdicts, comparisons, reports, commands."""
