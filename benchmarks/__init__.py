"""Speed and accuracy, side by side with named peers; every figure the project states comes from here."""
