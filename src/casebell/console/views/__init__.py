"""What each page shows: the service's values, by the names that the templates have for them."""
