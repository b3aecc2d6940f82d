"""What a campaign survives: attacks, each tried and told."""
