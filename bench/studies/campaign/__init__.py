"""Every exact method on `standard-v1`: docs/campaign.md."""
