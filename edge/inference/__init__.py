"""The models that classify, their cards, and the interpreter that runs them."""
