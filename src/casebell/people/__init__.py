"""Who can be told by name: persons, teams, absences, and whom a target reaches. Pure."""
