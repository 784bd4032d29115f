"""Commands beside the watch: doctor, devices, emulator, installation, recordings."""
