"""The auditors' questions as values, their answers, and who can answer them; no SQL here."""
