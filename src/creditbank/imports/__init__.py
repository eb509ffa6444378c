"""Files of results: a term in one spreadsheet, each row recorded once or named with what is wrong in it."""
