"""Pixels: judging, decoding, cropping and packing images."""
