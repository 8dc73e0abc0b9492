-- What became of the conversations of a scenario is gathered beside it by now (see gathered.py of the server's flow), and goes with each of
-- them; these did not, and tell lines of users. Graphs that stand in the scenarios themselves were taken out just before: old_graphs.py.
DELETE FROM document WHERE kind = 'choice';
