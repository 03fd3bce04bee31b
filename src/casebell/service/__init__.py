"""What an operator can do and see: a verb is written once, whoever asks for it."""
