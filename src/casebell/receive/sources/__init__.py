"""What is particular to a sender: where its fields stand and which words it uses."""
