"""The ladder of proof: one module a level. Each level gives a Result and knows nothing of formats."""
