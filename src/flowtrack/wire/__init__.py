"""What stands on the wire: CloudEvents, codecs, partitions and generated schemas."""
