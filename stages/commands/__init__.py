"""What a person runs by hand, because it touches the world or a person: no stages."""
