import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import outrigger.Connection;
import outrigger.Connection.Frame;
import outrigger.OutriggerException;

/** Keeps the machine in step with the log, over the one connection to the sidecar that all requests share. */
final class Replica {
  /** At indexes that are multiples of this, every copy says what its state is like. */
  private static final long CHECK_EVERY = 100;

  private static final long ANSWER_WITHIN_S = 20;

  private final String path;
  private final AtomicLong numbers = new AtomicLong();
  private final Map<Long, CompletableFuture<Frame>> waiting = new ConcurrentHashMap<>();
  /** Held by the one snapshot that is being sent. */
  private final Object shipping = new Object();
  /** None until the sidecar has welcomed us. */
  private volatile Connection line;

  // This replica's own lock guards the next two.
  private Machine machine = new Machine(Map.of());
  private long applied;

  // The rest belongs to the thread that follows.
  /** Of the log at `applied`; none after a restore. */
  private String hash;
  /** The last index at which we looked at our state. */
  private long checked;
  private Map<String, Object> check;
  /** The index that takeSnapshot named, until we have applied it. */
  private Long wanted;

  /** What is applied, and up to which index; nothing changes meanwhile. */
  interface Look<T> {
    T at(SortedMap<String, String> state, long applied);
  }

  Replica(String path) {
    this.path = path;
  }

  synchronized <T> T withState(Look<T> look) {
    return look.at(machine.state(), applied);
  }

  /**
   * Stays connected for ever. The state outlives the connection: after a sidecar restart we ask only for what came since. (Had the app
   * restarted, `applied` would be 0, and the sidecar would send a snapshot or the whole log.)
   */
  void follow() {
    while (true) {
      try (var connection = Connection.open(path)) {
        serve(connection);
      } catch (IOException error) {
        // The sidecar is not there (yet, or any more): try again.
      }
      line = null;
      // Whoever waits will never be answered, and cannot know whether the sidecar got the request: indefinite.
      var lost = new OutriggerException("SIDECAR_LOST", false, "the connection to the sidecar broke");
      for (var number : waiting.keySet()) {
        var answer = waiting.remove(number);
        if (answer != null) answer.completeExceptionally(lost);
      }
      try {
        Thread.sleep(50);
      } catch (InterruptedException error) {
        return;
      }
    }
  }

  private void serve(Connection connection) throws IOException {
    var position = new HashMap<String, Object>(Map.of("appliedIndex", applied, "snapshots", "BLOB"));
    if (hash != null) position.put("appliedHash", hash);
    connection.send("hello", Map.of("protocol", 1, "app", "java-kv", "stateMachine", position));
    wanted = null;
    Frame coming = null;
    var data = new ByteArrayOutputStream();
    while (true) {
      var frame = connection.next();
      switch (frame.name()) {
        case "welcome" -> line = connection; // from here on requests may use it
        case "entries" -> apply(connection, frame);
        case "proposed", "readReady" -> answer(frame);
        case "error" -> refused(frame);
        case "takeSnapshot" -> {
          wanted = frame.number("index");
          freeze(connection);
        }
        case "restoreBegin" -> {
          coming = frame;
          data.reset();
        }
        case "restoreChunk" -> data.write(frame.bytes("data"));
        case "restoreEnd" -> {
          if (coming == null) throw new IOException("restoreEnd without restoreBegin");
          restore(connection, coming, data.toByteArray(), frame);
          coming = null;
          data = new ByteArrayOutputStream();
        }
        case "goodbye" -> {
          if (frame.text("reason").equals("SUPERSEDED")) {
            System.err.println("another copy of this app took over");
            Runtime.getRuntime().halt(1); // two copies that push each other out would never end
          }
          return; // and say hello again; so do we after RESTORE, to be given a snapshot
        }
        default -> {
          // News that we do not need, or do not know.
        }
      }
    }
  }

  /**
   * A stretch of the committed log. One acknowledgement for all of it keeps this fast; `through` also covers entries that are not ours to
   * see.
   */
  private void apply(Connection connection, Frame batch) throws IOException {
    var results = new ArrayList<Map<String, Object>>();
    synchronized (this) {
      if (batch.body().get("entries") instanceof List<?> entries) {
        for (var one : entries) {
          @SuppressWarnings("unchecked") // an entry is an object
          var entry = new Frame("entry", (Map<String, Object>) one);
          look(entry.number("index") - 1);
          var result = machine.execute(entry.bytes("command"));
          results.add(Map.of("index", entry.number("index"), "result", base64(result.getBytes())));
        }
      }
      applied = batch.number("through");
      look(applied);
    }
    hash = batch.text("hash");
    var answer = new HashMap<String, Object>(Map.of("through", applied, "results", results));
    if (check != null) answer.put("stateHash", check);
    check = null;
    connection.send("applied", answer);
    freeze(connection);
  }

  /** Everything up to `index` is applied, and nothing later. */
  private void look(long index) {
    var at = index - index % CHECK_EVERY;
    if (at <= checked) return;
    checked = at;
    check = Map.of("index", at, "hash", base64(machine.digest()));
  }

  /**
   * Copies the state for a snapshot, once it is as new as was asked for. Only what was acknowledged may be in it, so this comes after
   * `applied`; and it is sent by a thread of its own, so entries go on meanwhile.
   */
  private void freeze(Connection connection) {
    if (wanted == null || applied < wanted) return;
    wanted = null;
    var index = applied;
    var state = machine.frozen();
    var shipper = new Thread(() -> {
      try {
        ship(connection, index, state);
      } catch (IOException error) {
        // The connection is gone, and with it whoever asked.
      }
    });
    shipper.setDaemon(true);
    shipper.start();
  }

  private void ship(Connection connection, long index, SortedMap<String, String> state) throws IOException {
    synchronized (shipping) {
      connection.send("snapshotBegin", Map.of("index", index, "format", Machine.FORMAT));
      var whole = Machine.sha256();
      Machine.<IOException>writeChunks(state, data -> {
        whole.update(data);
        connection.send("snapshotChunk", Map.of("data", base64(data)));
      });
      connection.send("snapshotEnd", Map.of("sha256", base64(whole.digest())));
    }
  }

  /** Takes over a state that another copy has sent, all of it or nothing: until here ours was untouched. */
  private void restore(Connection connection, Frame begin, byte[] data, Frame end) throws IOException {
    Map<String, String> state;
    try {
      if (!begin.text("format").equals(Machine.FORMAT)) {
        throw new IllegalArgumentException("unknown format " + begin.text("format"));
      }
      if (!Arrays.equals(Machine.sha256().digest(data), end.bytes("sha256"))) {
        throw new IllegalArgumentException("the bytes do not have their sha256");
      }
      state = Machine.parse(data);
    } catch (IllegalArgumentException error) {
      connection.send("restoreRefused", Map.of("reason", error.getMessage()));
      return;
    }
    reset(state, begin.number("index"));
    connection.send("restored", Map.of("index", begin.number("index")));
  }

  /** No hash is known there: the next `entries` bring one. */
  private synchronized void reset(Map<String, String> state, long index) {
    machine = new Machine(state);
    applied = index;
    checked = index;
    hash = null;
    check = null;
  }

  private void refused(Frame error) {
    if (error.number("id") != 0) {
      answer(error);
      return;
    }
    System.err.println("sidecar: " + error.text("code") + ": " + error.text("message"));
    if (List.of("APP_AHEAD", "APP_DIVERGED").contains(error.text("code"))) {
      reset(Map.of(), 0); // our state is not this log's; it is only in memory, so starting over costs nothing
    }
  }

  private void answer(Frame frame) {
    var answer = waiting.remove(frame.number("id"));
    if (answer != null) answer.complete(frame); // else it has given up
  }

  /** Sends one request and waits for its answer; other threads do the same at the same time on the same socket. */
  Frame ask(String name, Map<String, ?> fields) throws OutriggerException {
    var connection = line;
    if (connection == null) throw new OutriggerException("SIDECAR_ABSENT", true, "not connected to the sidecar");
    connection.admit(fields);
    var number = numbers.incrementAndGet();
    var answer = new CompletableFuture<Frame>();
    waiting.put(number, answer);
    var request = new HashMap<String, Object>(fields);
    request.put("id", number);
    try {
      connection.send(name, request);
      if (line != connection) throw new IOException("it broke before we waited");
    } catch (IOException error) {
      // follow() notices it as well; but what it answered may have been those who waited before us.
      answer.completeExceptionally(new OutriggerException("SIDECAR_LOST", false, "the connection to the sidecar broke"));
    }
    try {
      var frame = answer.get(ANSWER_WITHIN_S, TimeUnit.SECONDS);
      if (frame.name().equals("error")) throw frame.refusal();
      return frame;
    } catch (TimeoutException error) {
      throw new OutriggerException("TIMEOUT", false, "no answer from the sidecar for 20 s");
    } catch (ExecutionException error) {
      throw (OutriggerException) error.getCause();
    } catch (InterruptedException error) {
      throw new OutriggerException("TIMEOUT", false, "interrupted");
    } finally {
      waiting.remove(number);
    }
  }

  static String base64(byte[] data) {
    return Base64.getEncoder().encodeToString(data);
  }
}
