"""Alerting people: how alerts are rendered, sent and tried again."""
