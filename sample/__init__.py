"""The maker of the embedded sample: real cut-outs of plants on real photos."""
