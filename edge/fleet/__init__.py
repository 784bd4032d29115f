"""Beyond one machine: many records read again, many devices listened to. Needs the extra `fleet`."""
