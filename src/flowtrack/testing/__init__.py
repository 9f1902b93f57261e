"""What the tests of services use: real implementations in memory, and assertions on what was published."""

from flowtrack.testing.transport import MemoryTransport, Sent

__all__ = ["MemoryTransport", "Sent"]
