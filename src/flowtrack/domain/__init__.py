"""Pure values of the field: events, consent, vocabularies, registry, decisions.  No I/O, no clock."""
