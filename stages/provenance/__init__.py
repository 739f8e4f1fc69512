"""What a result is made of: code and libraries, in digests and versions by which results are kept or taken over."""
