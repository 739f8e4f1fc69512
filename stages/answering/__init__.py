"""A trained model and a photo of anybody: read, cropped as for training, asked, and what may be said of it."""
