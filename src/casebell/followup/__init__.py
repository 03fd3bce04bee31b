"""What follows where nobody has seen a change, or where the date draws near that its notice sets.

`loop` finds what is due. `escalation` takes a turn of an escalation, `dates` reminds of a date that
somebody typed; `due` says when. `telling` makes the alerts, for whom they reach now. All times are
of the wall clock, and kept with what they belong to: whichever server reads first that one is due,
takes it.
"""
