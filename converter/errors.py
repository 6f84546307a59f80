"""Errors that are for people, and the exit codes of every command.

Exit codes: 0 the command did its work and found nothing to complain about; 1 it did its work and found something
(a unit error, a failed expectation, a regression); 2 it could not do its work (bad input, bad rules, no space);
130 it was interrupted (128 + SIGINT, as a shell has it).
"""

EXIT_FOUND = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130


class InputError(Exception):
    """Input that cannot be used. The message is one line: what is wrong, where, and what to do."""


class RulesError(InputError):
    """A file under rules/ that cannot be used. The message names file, entry and line."""
