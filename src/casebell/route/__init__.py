"""From a stored event to a recorded decision: fold, match, decide.

`fold` asks whether the event is a new change of its case; `rules` compiles the configured rules
once; `match` asks each of them and says why; `decide` turns what matched into recipients;
`coverage` says beforehand who would hear of what. These are functions of values. Only `router`
waits and writes.
"""
