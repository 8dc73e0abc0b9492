-- What a score says is a mark from now on, so that it is found without reading every conversation that has one. What has
-- scores is indexed again; -1 stays, for it says how its words lie.
UPDATE conversation SET indexed = -2
WHERE indexed > 0 AND ifnull(json_extract(summary, '$.scores'), '{}') <> '{}';
