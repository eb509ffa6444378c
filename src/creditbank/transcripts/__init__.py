"""What a learner shows to others: composed once, rendered in many forms."""
