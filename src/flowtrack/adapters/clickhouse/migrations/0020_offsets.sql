-- Which source offsets are here, as bitmaps of 65,536 offsets each: so the books are balanced, and events counted by
-- their verdict, without reading rows. docs/decisions/offset-bitmaps.md has what it costs.
-- The second bitmap has a mark for each row: its offset, and sixteen bits of a hash of category and revision.
ALTER TABLE flows ADD PROJECTION IF NOT EXISTS offsets
(
    SELECT epoch, source_partition, intDiv(source_offset, 65536), kind, verdict, sign,
           toDate(happened_at), toDate(recorded_at), count(), max(revision),
           groupBitmapState(toUInt32(bitAnd(source_offset, 65535))),
           groupBitmapState(toUInt32(bitAnd(source_offset, 65535)
                                     + bitShiftLeft(bitAnd(cityHash64(category, revision), 65535), 16)))
    GROUP BY epoch, source_partition, intDiv(source_offset, 65536), kind, verdict, sign,
             toDate(happened_at), toDate(recorded_at)
);
ALTER TABLE flows MATERIALIZE PROJECTION offsets;
