"""Checks that need the machine itself, such as a board, in one report for people who do not have it."""
