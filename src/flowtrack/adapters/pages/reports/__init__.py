"""Reports as documents: one self-contained file each, ready for print, in Korean or English."""
