"""Pages for people: rendered on this side, with pictures, in Korean and English; nothing is fetched from elsewhere."""
