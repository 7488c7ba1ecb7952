import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import outrigger.Json;

/** The state machine. It knows nothing of sidecars, and it has no lock: whoever has it sees to that. */
final class Machine {
  /** Of snapshots: one JSON object, the same bytes in every language. */
  static final String FORMAT = "kv-json-1";

  /** Of a snapshot in one frame, the most that a sidecar takes. */
  private static final int CHUNK = 256 * 1024;

  private static final BigInteger MODULUS = BigInteger.ONE.shiftLeft(128);
  private static final String NO_COMMAND = "{\"error\": \"not a command of this app\"}";

  private final SortedMap<String, String> state = new TreeMap<>(Machine::byCodePoint);

  /** Over the marks of all keys, modulo 2^128: what the state is like, at a cost that does not grow with it. */
  private BigInteger sum = BigInteger.ZERO;

  Machine(Map<String, String> state) {
    this.state.putAll(state);
    state.forEach((key, value) -> sum = sum.add(mark(key, value)));
  }

  /** A copy that stays as it is. */
  SortedMap<String, String> frozen() {
    return new TreeMap<>(state);
  }

  SortedMap<String, String> state() {
    return state;
  }

  /**
   * Changes the state. The same command in the same state MUST do the same on every node: so no clock, no randomness, no hash order; and a
   * command that makes no sense is answered, never a crash: it is in the log for good.
   */
  String execute(byte[] command) {
    Map<String, String> request;
    try {
      request = parse(command);
    } catch (IllegalArgumentException error) {
      return NO_COMMAND;
    }
    var key = request.get("key");
    var operation = request.getOrDefault("op", "");
    if (key == null || !(operation.equals("put") || operation.equals("delete"))) return NO_COMMAND;
    var old = state.remove(key);
    if (old != null) sum = sum.subtract(mark(key, old));
    if (operation.equals("put")) {
      var value = request.getOrDefault("value", "");
      state.put(key, value);
      sum = sum.add(mark(key, value));
    }
    return "{\"existed\": " + (old != null) + "}";
  }

  /** What the state is like. The sidecars compare: a copy that differs is found out. */
  byte[] digest() {
    var number = sum.mod(MODULUS).toByteArray();
    var bytes = new byte[16];
    for (var at = 1; at <= Math.min(16, number.length); at++) bytes[16 - at] = number[number.length - at];
    return bytes;
  }

  private static BigInteger mark(String key, String value) {
    var hash = sha256().digest(Json.write(List.of(key, value)).getBytes(StandardCharsets.US_ASCII));
    return new BigInteger(1, Arrays.copyOf(hash, 16));
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException("every Java has SHA-256", error);
    }
  }

  /**
   * Reads a JSON object whose members are all strings. So strict because copies in other languages must refuse the same: parsers differ in
   * what they make of numbers, of half a surrogate pair, and of anything that is not UTF-8. Throws IllegalArgumentException.
   */
  static Map<String, String> parse(byte[] data) {
    try {
      return Json.readStrings(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString());
    } catch (CharacterCodingException error) {
      throw new IllegalArgumentException("not UTF-8 text", error);
    }
  }

  /** Takes pieces of the state's JSON. */
  interface Sink<E extends Exception> {
    void take(byte[] data) throws E;
  }

  /** Writes the state as {"key": "value", …}, a piece at a time. */
  static <E extends Exception> void writeChunks(SortedMap<String, String> state, Sink<E> sink) throws E {
    var data = new StringBuilder("{");
    var between = "";
    for (var entry : state.entrySet()) {
      data.append(between).append(Json.write(entry.getKey())).append(": ").append(Json.write(entry.getValue()));
      between = ", ";
      for (; data.length() >= CHUNK; data.delete(0, CHUNK)) sink.take(ascii(data.substring(0, CHUNK)));
    }
    sink.take(ascii(data.append('}').toString()));
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /** The order of the other languages. Java's own is that of UTF-16. */
  private static int byCodePoint(String a, String b) {
    for (var at = 0; at < a.length() && at < b.length(); at++) {
      if (a.charAt(at) == b.charAt(at)) continue;
      // Where both are whole characters or both are halves of pairs, UTF-16 has the same order; a pair comes after all others.
      var pairs = Boolean.compare(Character.isSurrogate(a.charAt(at)), Character.isSurrogate(b.charAt(at)));
      return pairs != 0 ? pairs : Character.compare(a.charAt(at), b.charAt(at));
    }
    return Integer.compare(a.length(), b.length());
  }
}
