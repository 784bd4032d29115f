"""Results published over MQTT."""
