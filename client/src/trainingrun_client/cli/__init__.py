"""`kubectl trainingrun`: the client's verbs on a command line, one file each.

`__main__` is the program and its exit codes, `app` the list of verbs, `options` what they have in common,
`screen` what they write to. Nothing but the files of this folder knows of a terminal.
"""
