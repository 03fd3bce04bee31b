"""What the server shows over HTTP beside the webhooks."""
