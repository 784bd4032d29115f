"""What goes over MQTT, whoever carries it: topics, payloads, commands, schemas. Knows no client."""
