-- Comments are found by their words from now on. Talks with scores are indexed again, as in step 7; of long ones step 11 has seen to
-- that, and their words must be taken out by stretches once that is done.
UPDATE conversation SET indexed = -1
WHERE indexed > 0 AND id IN (SELECT conversation_id FROM mark WHERE kind = 'score')
  AND ifnull(json_extract(summary, '$.turns'), 0) <= 8;
