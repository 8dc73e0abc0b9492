-- The scores of an hour by name, added up: a chart of a month reads some thousand of these rows and not every score that was given.
-- Triggers keep them, so that whatever adds scores or takes them away keeps them too. An hour that has none left is no row: what
-- adding and taking away of broken numbers leaves behind goes with it.
CREATE TABLE grade_hour (
    project_id INTEGER NOT NULL REFERENCES project,
    hour       INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    count      INTEGER NOT NULL,
    total      REAL    NOT NULL,
    flags      INTEGER NOT NULL,
    PRIMARY KEY (project_id, hour, name)
) STRICT, WITHOUT ROWID;

INSERT INTO grade_hour
SELECT project_id, first_ns / 3600000000000, name, count(*), sum(value), sum(is_flag) FROM grade GROUP BY 1, 2, 3;

CREATE TRIGGER grade_hour_comes AFTER INSERT ON grade BEGIN
    INSERT INTO grade_hour VALUES (new.project_id, new.first_ns / 3600000000000, new.name, 1, new.value, new.is_flag)
    ON CONFLICT DO UPDATE SET count = count + 1, total = total + excluded.total, flags = flags + excluded.flags;
END;

CREATE TRIGGER grade_hour_goes AFTER DELETE ON grade BEGIN
    UPDATE grade_hour SET count = count - 1, total = total - old.value, flags = flags - old.is_flag
    WHERE project_id = old.project_id AND hour = old.first_ns / 3600000000000 AND name = old.name;
    DELETE FROM grade_hour
    WHERE project_id = old.project_id AND hour = old.first_ns / 3600000000000 AND name = old.name AND count = 0;
END;
