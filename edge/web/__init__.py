"""The web page of a ward: live beds, uploads, an API. Needs the extra `web`; works without the internet."""
