"""Both problems as gymnasium environments."""
