"""ecg-edge: beats found, classified and watched on the device."""

__version__ = "0.1.0"
