"""What people said of photos and pairs: read, held against the data of now, brought together, applied."""
