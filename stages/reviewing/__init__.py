"""The page on which people look at suspects and say what they see: what is asked, a small server, what is saved."""
