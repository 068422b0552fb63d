"""The page, its API and what serves them."""
