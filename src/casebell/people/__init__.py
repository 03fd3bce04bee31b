"""Who can be told by name, who is away, and whom the recipients of a channel are. Pure."""
