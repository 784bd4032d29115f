"""The database of many devices: tables, their migrations, and what is put into them."""
