"""The four-level network and its partners: institutions as a tree by code, and their accreditations."""
