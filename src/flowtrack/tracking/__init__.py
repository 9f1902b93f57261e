"""What the workers do with records, without Kafka and without ClickHouse."""
