"""Delta tables, one directory per dataset, and the rules that keep them true after any crash.

The metadata is the truth: `Dataset.version` is the last Delta version that was acknowledged. A
table on disk may be ahead of it, after a crash between the two commits; nobody was told of what
is ahead, no reader ever sees it, and the next writer undoes it. One write goes like this::

    location = table_location(data_dir, tenant, dataset_id)
    with lock(location, timeout_s=20) as held:            # in a thread
        dataset = ...                                     # read the metadata again, under the lock
        ...                                               # was this idempotency key applied? stop
        recover(location, held, base_version=dataset.version)
        written = write(location, reader, mode=..., base_version=dataset.version, ...)
                                                          # in a child, with held.fileno() passed
        async with database.begin() as transaction:       # one commit acknowledges all of it
            await transaction.datasets.update(..., base_version=dataset.version)
            await transaction.outbox.put(...)

A new dataset has `base_version=None` and a fresh id, and ends in `register` in place of `update`;
where that raises Conflict (the name was taken meanwhile), `delete(location)` removes the files.

Whoever is killed, and when:

- The child: the lock is released when the server lets go too. The metadata is unchanged, so the
  next `recover` restores the acknowledged version and removes files that no commit mentions.
- The server: the child still holds the lock through its copy of the descriptor until it ends, so
  nobody builds on a table that is still being written. Then the same recovery.
- Both, between the Delta commit and the metadata commit: the same recovery.
- Anybody after the metadata commit: nothing is left to do.

`collect_orphans` does this for all tables when a server starts. It removes a table only when that
was deleted, or when its lock says that its first write broke off: other tables that the metadata
does not know may be another database's. A version number may be skipped by a recovery, but is
never used twice, so whatever is remembered by (location, version) stays right.

`snapshot`, `history`, `lock` and `recover` are for the server and import no pyarrow; `write`
needs it and belongs in a child process.
"""
