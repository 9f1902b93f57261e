"""The site: pages for people who would rather look than read; the whole state of a view is its address."""
