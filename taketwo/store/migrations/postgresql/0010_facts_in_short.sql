-- It holds the facts in short, and is called so in SQLite.
ALTER INDEX facts_by_project_and_time RENAME TO facts_in_short;
