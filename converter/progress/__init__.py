"""How far a conversion is, over the history of a repository: steps, the uses at each, and where new ones came from."""
