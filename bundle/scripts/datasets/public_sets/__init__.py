"""Folders as public data sets and other tools lay them out; what is common to all layouts is in ../layout.py."""
