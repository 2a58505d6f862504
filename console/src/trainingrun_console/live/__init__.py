"""What happens to a run, told to everybody who listens, as it happens.

messages: what is told, as JSON objects. cursor: how far a client was told, and what it misses. channel: one
run's news, made once for all who listen to it. subscription: one of them. hub: all of both. sse and websocket
speak to the clients; guard says who may listen, wire reaches below ASGI where that is not enough.
"""
