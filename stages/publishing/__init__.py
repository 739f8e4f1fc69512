"""A model as others can use it: for timm, for onnxruntime, with its card, its license and its credits."""
