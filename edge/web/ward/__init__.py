"""What a ward's devices publish: kept as it is now, and sent to every browser that looks."""
