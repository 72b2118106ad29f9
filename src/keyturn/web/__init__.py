"""The first room: HTTP. Bytes in, answers out; nothing is decided here.

- `app` puts the routes together.
- `hooks` takes webhooks: verify, parse, hand to intake, answer.
- `body` reads a request's bytes within a size and a time.
- `health` answers whether the process lives and can work; `metrics` counts.
- `server` runs it all on a socket until told to stop.

The web layer talks to the engine's intake and reads from the store. It never calls an upstream
and never logs a body, a header or a query.
"""
