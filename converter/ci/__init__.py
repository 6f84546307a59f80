"""Judging commits: what a push, or a series of mails, changes about units. Nothing of the tree runs."""
