"""Who acts for a minor, as what, and until when."""
