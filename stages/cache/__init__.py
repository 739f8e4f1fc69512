"""The image cache: a directory of files, what is known of each, and which go when it is full."""
