"""Scripts that measured the committed data; they need the extra ``measure``."""
