-- What a score says is a mark from now on; what has scores is indexed again.
UPDATE conversation SET indexed = -2
WHERE indexed > 0 AND coalesce(CAST(summary AS json) ->> 'scores', '{}') <> '{}';
