"""The upstream's APIs: their clients, what they may be asked, and what they say of cases."""
