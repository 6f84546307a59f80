"""The unit checker for converted code: what is written against what the units say."""
