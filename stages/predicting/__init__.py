"""What a trained model says of images: the network asked once, and what is kept of its answers."""
