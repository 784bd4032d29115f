"""Uploads: kept in a queue and a history, analysed one by one in processes of their own."""
