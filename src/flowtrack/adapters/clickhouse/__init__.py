"""ClickHouse, embedded (chDB) or a server: migrations, the sink's inserts, and the auditors' questions as SQL."""
