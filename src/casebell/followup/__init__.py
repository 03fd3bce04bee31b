"""What follows where nobody has seen a change, or where the date draws near that its notice sets.

`due` says when a person is reminded of a date that somebody typed. All times are of the wall clock,
and kept with what they belong to: whichever server reads first that one is due, takes it.
"""
