"""REST: what is known of runs, and the changes that people ask for.

The way of a request: `app` (middleware, then the routers) -> `asking` (who calls, which run, may they see it)
-> a router: `runs`, `tables`, `files`, `logs`, `experiments`, `changes` -> `models`: what goes out.
Whatever is refused on the way is a `problems.Problem`.
"""
