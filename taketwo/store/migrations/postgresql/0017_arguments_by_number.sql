-- Each distinct number in an argument is a mark from now on, so that one is found without reading all whose words are
-- like it. What is indexed is indexed again; -1 stays, for it says how its words lie.
UPDATE conversation SET indexed = -2 WHERE indexed > 0;
