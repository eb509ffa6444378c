"""What there is to name: kinds of achievement, categories, types of provider; later offerings and resources."""
