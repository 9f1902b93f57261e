-- A merge takes rows whole: gathering each column by itself, as the engine does from 131,072 rows on, cost 3.5 to 4.9 us
-- of processor time a row where this costs 2.1 to 2.4 (docs/performance.md). Above so many rows it is done as before,
-- since what such a merge holds grows with its parts: here it has at most what eight million rows take on the disk.
-- What is inserted is one file, not sixty that each wait for the disk, until its first merge.
ALTER TABLE flows MODIFY SETTING vertical_merge_algorithm_min_rows_to_activate = 8000000, min_level_for_wide_part = 1;
