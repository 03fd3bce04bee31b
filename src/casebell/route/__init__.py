"""From a stored event to a recorded decision: judge, fold, match, decide.

`verdict` weighs what an event says of a status, by the senders' `words`; `fold` asks whether it is
a new change of its case; `rules` compiles the configured rules once; `match` asks each of them and
says why; `decide` turns what matched into recipients; `rulebook` takes an event through all of
them; `coverage` says beforehand who would hear of what. These are functions of values. Only
`router` waits and writes.
"""
