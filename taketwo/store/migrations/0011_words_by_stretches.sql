-- The words of a long talk are several rows from now on, so that one that goes on does not rewrite them all. Short talks are
-- one row as before; long ones are indexed again, as in step 7.
UPDATE conversation SET indexed = -1 WHERE indexed > 0 AND ifnull(json_extract(summary, '$.turns'), 0) > 8;
