"""From annotated databases to quantized models."""
