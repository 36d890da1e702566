"""How each site's metadata reads: one file per site or kind of site, each with a constant `SITE`."""
