"""Alerts kept on disk until the broker has acknowledged them."""
