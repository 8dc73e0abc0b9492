-- The least and the greatest of each argument are marks from now on. What is indexed is indexed again, out of its reading:
-- its facts and words are there, so that `indexed` is not 0, and of no value that `changes` ever had.
UPDATE conversation SET indexed = -1 WHERE indexed > 0;
