"""JQODI: label programs on CIFT and on MEPRA, exact or within a factor 1 + epsilon."""
