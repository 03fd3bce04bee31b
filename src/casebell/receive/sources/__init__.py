"""What is particular to a sender: where its fields stand and how it writes a time."""
