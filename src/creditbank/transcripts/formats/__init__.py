"""The forms of a transcript; each renders what ``domain.compose`` made and calculates nothing."""
