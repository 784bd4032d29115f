"""A hospital's devices in one picture, from the collector's database."""
