"""Wires sources, pipeline and sinks together and runs them."""
