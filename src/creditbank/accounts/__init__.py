"""What becomes of an account in the course of a life: closed, its owner dead, open again."""
