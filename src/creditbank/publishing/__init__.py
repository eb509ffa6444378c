"""The life of a rule set: from a document to what governs, and the re-evaluation of whoever it touches."""
