package flowtrack.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * The bare work of a checker on Kafka Streams: read an event, take its fields out of the JSON, write one output of a
 * decision's size under the event's key, exactly once. One thread; everything else as Kafka Streams comes.
 *
 * <p>Arguments: the application id. Environment: FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS, FLOWTRACK_READY_FILE (gets a line
 * once the topology runs), FLOWTRACK_BENCH_DECISION (decisions with marks for the event's fields),
 * FLOWTRACK_BENCH_STATE (a folder that is its own). Ends at SIGTERM.
 */
public final class BareStreams {
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Event(String id, String subject, String time) {}

  private BareStreams() {}

  public static void main(String[] arguments) throws Exception {
    Answers answers = new Answers(Path.of(System.getenv("FLOWTRACK_BENCH_DECISION")));
    ObjectReader reader = new ObjectMapper().readerFor(Event.class);
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream("flowtrack.events", Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .mapValues(value -> answers.to(parse(reader, value)))
        .to(
            "flowtrack.amendments",
            Produced.with(Serdes.ByteArray(), Serdes.ByteArray())
                .withStreamPartitioner((topic, key, value, partitions) -> Optional.of(Set.of(partition(key, partitions)))));
    CountDownLatch end = new CountDownLatch(1);
    try (KafkaStreams streams = new KafkaStreams(builder.build(), configuration(arguments[0]))) {
      streams.setStateListener(
          (now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
              announce();
            } else if (now == KafkaStreams.State.ERROR) {
              end.countDown();
            }
          });
      Thread closing = new Thread(() -> {
        streams.close();
        end.countDown();
      });
      Runtime.getRuntime().addShutdownHook(closing);
      streams.start();
      end.await();
    }
  }

  private static Properties configuration(String application) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("FLOWTRACK_BENCH_STATE"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put("producer.compression.type", "lz4");
    return properties;
  }

  private static Event parse(ObjectReader reader, byte[] value) {
    try {
      return reader.readValue(value);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** The partition of a subject, as everywhere in Flowtrack: its first 32 bits, modulo the number of partitions. */
  private static int partition(byte[] subject, int partitions) {
    return (int) (Long.parseLong(new String(subject, 0, 8, UTF_8), 16) % partitions);
  }

  private static void announce() {
    try {
      Files.writeString(Path.of(System.getenv("FLOWTRACK_READY_FILE")), "ready\n");
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Real decisions in turn, with places for an event's id, subject and time, in this order. */
  private static final class Answers {
    private final List<List<byte[]>> decisions = new ArrayList<>();
    private int next;

    Answers(Path path) throws IOException {
      for (String line : Files.readAllLines(path)) {
        List<byte[]> pieces = new ArrayList<>();
        for (String piece : line.split("@(id|subject|time)@", -1)) {
          pieces.add(piece.getBytes(UTF_8));
        }
        if (pieces.size() != 4) {
          throw new IOException("a decision wants the marks @id@, @subject@ and @time@, once each, in this order");
        }
        decisions.add(pieces);
      }
    }

    byte[] to(Event event) {
      List<byte[]> pieces = decisions.get(next);
      next = (next + 1) % decisions.size();
      ByteArrayOutputStream bytes = new ByteArrayOutputStream(2_048);
      bytes.writeBytes(pieces.get(0));
      bytes.writeBytes(event.id().getBytes(UTF_8));
      bytes.writeBytes(pieces.get(1));
      bytes.writeBytes(event.subject().getBytes(UTF_8));
      bytes.writeBytes(pieces.get(2));
      bytes.writeBytes(event.time().getBytes(UTF_8));
      bytes.writeBytes(pieces.get(3));
      return bytes.toByteArray();
    }
  }
}
