"""The figures beside the summaries that open the pages of results."""
