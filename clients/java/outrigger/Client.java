package outrigger;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import outrigger.Connection.Frame;

/**
 * A thin client of an Outrigger cluster: proposals, reads and sessions at any of its nodes, or at a gateway.
 *
 * <p>It stays with one node for as long as that answers, then goes to the next one. Any thread may use it; they take turns. README.md has
 * the rules.
 */
public final class Client implements AutoCloseable {
  /** One try of what may be tried again. Then it is tried again. */
  private static final long TRY_MS = 3_000;
  /** How much longer the node has to say TIMEOUT by itself. Silent, it is left. */
  private static final long GRACE_MS = 500;
  /** From dialling to the welcome. Then the next node is dialled. */
  private static final long DIAL_MS = 2_000;
  /** Pause after failures in a row, doubled from the first to the last, less up to half by chance. */
  private static final long BACKOFF_MIN_MS = 50;
  private static final long BACKOFF_MAX_MS = 1_000;
  /** A node may ask us to come back later than this. We come back after this. */
  private static final long RETRY_AFTER_MAX_MS = 5_000;
  /** Failures in a row of a node that answers. Then it is left. */
  private static final int FAILURES_TO_MOVE = 3;
  /** That a node is told. */
  private static final long TIMEOUT_MAX_MS = 86_400_000;

  private final List<Address> addresses;
  private Link link;
  /** Of the first welcome; no other one is accepted. */
  private String cluster;
  /** The next address to dial. */
  private int at;
  /** To reach a node, in a row. */
  private int fails;
  /** Of a node that answers, in a row. */
  private int setbacks;
  private long highestIndex;
  private boolean closed;

  /** A path, or {@code tcp://HOST:PORT} with the token of its `write` scope (else null). */
  public record Address(String at, String token) {}

  /** What a command did. The result is what the app answered; lost: it took effect, and the node no longer has its result. */
  public record Proposed(long index, long term, byte[] result, boolean duplicate, boolean resultLost, String node) {}

  /** The app beside {@code node} has applied at least {@code index}, and may be read now. */
  public record ReadIndex(long index, String node) {}

  private Client(List<Address> addresses) {
    this.addresses = List.copyOf(addresses);
  }

  /** Returns when one of these nodes has welcomed us. They are dialled in this order. */
  public static Client connect(List<Address> addresses, Duration timeout) throws OutriggerException {
    if (addresses.isEmpty()) throw new OutriggerException("BAD_REQUEST", true, "a client needs the address of a node");
    var client = new Client(addresses);
    client.reach(deadline(timeout));
    return client;
  }

  /** Ends the connection; sessions end when their time is over. */
  @Override
  public synchronized void close() {
    closed = true;
    leave();
  }

  /** The highest index of all answers so far: hand it to whoever must see what this client has seen. */
  public synchronized long highestIndex() {
    return highestIndex;
  }

  /** Proposes a command once. When the outcome is unknown it is not tried again, since it could happen twice: a session can. */
  public Proposed propose(byte[] command, Duration timeout) throws OutriggerException {
    return proposed(call("propose", Map.of("command", base64(command)), deadline(timeout)));
  }

  /** Waits until the app beside the node that answers may be read, linearizably: it has every write acknowledged before. */
  public ReadIndex read(Duration timeout) throws OutriggerException {
    return readIndex(call("read", Map.of("consistency", "LINEARIZABLE"), deadline(timeout)));
  }

  /** Sees everything up to that index, and asks no leader. With highestIndex() no read of this client goes back. */
  public ReadIndex readAtLeast(long index, Duration timeout) throws OutriggerException {
    return readIndex(call("read", Map.of("consistency", "AT_LEAST", "index", index), deadline(timeout)));
  }

  /** Opens a session that ends by itself when nothing was heard of it for {@code ttl}; it is kept alive until it is closed. */
  public Session openSession(Duration ttl, Duration timeout) throws OutriggerException {
    var opened = call("openSession", Map.of("ttlMs", ttl.toMillis()), deadline(timeout));
    return new Session(this, opened.frame.number("session"), ttl);
  }

  /** An answer, and whose. */
  record Answer(Frame frame, String node) {}

  /**
   * Tries until it is answered, for as long as that is safe: after a definite refusal that passes, and, unless it is a proposal, after any
   * unknown outcome.
   */
  Answer call(String name, Map<String, Object> fields, long deadline) throws OutriggerException {
    var isProposal = name.equals("propose");
    for (var tries = 1; ; tries++) {
      try {
        return tryOnce(name, fields, deadline, isProposal);
      } catch (OutriggerException error) {
        var again = passes(error) || (!error.definite && !isProposal);
        if (!again || !sleep(pauseMs(error, tries), deadline)) throw error;
      }
    }
  }

  /** Sends a request to the node that we are with, and learns from the answer whether to stay there. Whole: it gets all the time. */
  synchronized Answer tryOnce(String name, Map<String, Object> fields, long deadline, boolean whole) throws OutriggerException {
    var current = reach(deadline);
    var leftMs = Math.max(1, (deadline - System.nanoTime()) / 1_000_000);
    var timeMs = Math.min(TIMEOUT_MAX_MS, whole ? leftMs : Math.min(leftMs, TRY_MS));
    var request = new HashMap<>(fields);
    request.put("timeoutMs", timeMs);
    try {
      var frame = current.ask(name, request, System.nanoTime() + (timeMs + GRACE_MS) * 1_000_000);
      fails = 0;
      setbacks = 0;
      highestIndex = Math.max(highestIndex, Math.max(frame.number("index"), frame.number("session")));
      return new Answer(frame, current.node);
    } catch (OutriggerException error) {
      judge(error);
      throw error;
    }
  }

  /** Leaves the node when its error says that it cannot, and another one may. */
  private void judge(OutriggerException error) {
    var others = addresses.size() > 1;
    switch (error.code) {
      case "SHUTTING_DOWN" -> leave();
      case "APP_ABSENT", "NO_SPACE" -> setbacks = FAILURES_TO_MOVE;
      case "OVERLOADED", "TIMEOUT", "LEADER_LOST", "INTERNAL" -> setbacks++;
      default -> {
        // It says nothing of the node.
      }
    }
    if (others && setbacks >= FAILURES_TO_MOVE) leave();
  }

  private void leave() {
    if (link == null) return;
    link.close();
    link = null;
    at++;
    fails++;
    setbacks = 0;
  }

  /** The connection that there is; else node after node is dialled until one welcomes us. */
  private synchronized Link reach(long deadline) throws OutriggerException {
    if (closed) throw new OutriggerException("CLOSED", true, "this client was closed");
    if (link != null && !link.usable()) leave();
    var refusals = 0;
    while (link == null) {
      // The first failure costs nothing: the next node is dialled at once.
      if (fails > 1 && !sleep(backoffMs(fails - 1), deadline)) {
        throw new OutriggerException("NOT_SENT", true, "no node was reached in time");
      }
      try {
        var address = addresses.get(at % addresses.size());
        link = belonging(Link.open(address, Math.min(deadline, System.nanoTime() + DIAL_MS * 1_000_000)));
        setbacks = 0;
      } catch (OutriggerException error) {
        at++;
        fails++;
        // May it welcome us a moment later? When no node may, waiting is in vain.
        refusals = error.definite && !error.code.equals("OVERLOADED") ? refusals + 1 : 0;
        if (refusals >= addresses.size()) throw error;
      }
    }
    return link;
  }

  private Link belonging(Link opened) throws OutriggerException {
    if (cluster == null) cluster = opened.cluster;
    if (opened.cluster.equals(cluster)) return opened;
    opened.close();
    var text = opened.node + " is a node of " + opened.cluster + ", not of " + cluster;
    throw new OutriggerException("WRONG_CLUSTER", true, text);
  }

  static Proposed proposed(Answer answer) throws OutriggerException {
    var frame = answer.frame;
    try {
      var result = frame.bytes("result");
      var lost = frame.flag("resultLost");
      return new Proposed(frame.number("index"), frame.number("term"), result, frame.flag("duplicate"), lost, answer.node);
    } catch (java.io.IOException error) {
      throw new OutriggerException("INTERNAL", false, error.getMessage());
    }
  }

  private static ReadIndex readIndex(Answer answer) {
    return new ReadIndex(answer.frame.number("index"), answer.node);
  }

  static String base64(byte[] data) {
    return java.util.Base64.getEncoder().encodeToString(data);
  }

  static long deadline(Duration timeout) {
    return System.nanoTime() + timeout.toNanos();
  }

  /** Surely not done, and worth another try by itself. */
  static boolean passes(OutriggerException error) {
    var passing = List.of("OVERLOADED", "APP_ABSENT", "NO_SPACE", "NOT_SENT").contains(error.code);
    return error.definite && (passing || error.retryAfterMs > 0);
  }

  static long pauseMs(OutriggerException error, int tries) {
    if (error.retryAfterMs > 0) return Math.min(error.retryAfterMs, RETRY_AFTER_MAX_MS);
    // At another node, which has its own pause.
    if (List.of("CONNECTION_LOST", "SHUTTING_DOWN").contains(error.code)) return 0;
    return backoffMs(tries);
  }

  /** From half of the doubled pause to all of it, so that clients that failed together do not come back together. */
  private static long backoffMs(int failures) {
    var fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS << Math.min(failures - 1, 10));
    return ThreadLocalRandom.current().nextLong(fullMs / 2, fullMs);
  }

  /** Says whether there is time left afterwards. */
  static boolean sleep(long ms, long deadline) {
    if (deadline - System.nanoTime() <= ms * 1_000_000) return false;
    try {
      Thread.sleep(ms);
      return true;
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
