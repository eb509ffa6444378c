"""What must hold in a document beyond its shape: what reading refuses, and what publishing does (section 15)."""
