"""From a stored event to a recorded decision: classify, fold, match, decide.

`classification` gives an event one status and its tags; `fold` finds out whether it is a new change
of its case; `rules` compiles the configured rules once; `match` evaluates each of them, with a
reason; `decide` turns the rules that matched into recipients; `rulebook` runs these four steps and
remembers decisions; `coverage` lists beforehand the channels of each status and tag. All of these
are pure functions. Only `router` waits and writes.
"""
