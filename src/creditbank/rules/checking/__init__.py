"""What must hold in a document beyond its shape (rules/v1 section 15): what reading refuses, and what publishing does."""
