"""Kafka: settings, topics, the embedded broker, the exactly-once source and the worker around it."""
