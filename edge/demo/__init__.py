"""The demo: a record through everything, its own broker and dashboard included."""
