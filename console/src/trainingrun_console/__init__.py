"""Run history and the live page: one optional service beside the operator, or on a person's machine.

The way of an epoch: `collecting` hears of it from the cluster -> `history` keeps it in the database -> `live`
tells everybody who listens -> `api` answers who asks, `page` shows it in a browser. `access` stands before
all of them and says who may see and do what.
"""
