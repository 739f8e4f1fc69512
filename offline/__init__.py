"""Makes what draws plots without a network: the page of `dvc plots diff`, and with it that of `make review`."""
