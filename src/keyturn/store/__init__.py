"""Everything that outlives a restart: the only room that speaks SQL.

- One schema and one SQL for both databases: embedded SQLite, or PostgreSQL shared by many machines.
- A class per subject (`Inbox`, `Work`, `Ledger`, ...); each of its methods is one transaction.
- Writes go through a group commit, so a burst of webhooks costs few disk syncs.
- What a worker writes is fenced by its lane: without a lease that is still held, nothing is written.

It never calls an upstream, never decides what access should be, and never sees a PIN: only keyed
hashes. Neighbours: `core` names the values kept here; `engine` and `web` use the classes.
"""
