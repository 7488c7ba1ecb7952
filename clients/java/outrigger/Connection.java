package outrigger;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;

/** Frames to and from one node, as JSON lines (docs/protocol.md). One thread reads; any of them may write. */
public final class Connection implements AutoCloseable {
  /** One line from a node. Over it: the connection is given up. */
  private static final int LINE_BYTES = 8 << 20;

  private final SocketChannel channel;
  private final ByteBuffer input = ByteBuffer.allocate(65_536).flip();
  /** Bytes that a command may have, once the node has said so. */
  private volatile long commandBytes = Long.MAX_VALUE;

  /** One frame: its name, and its fields. */
  public record Frame(String name, Map<String, Object> body) {
    public long number(String field) {
      var value = body.get(field);
      if (value instanceof String digits && digits.matches("\\d{1,18}")) return Long.parseLong(digits);
      return value instanceof Long number ? number : 0;
    }

    public String text(String field) {
      return body.get(field) instanceof String text ? text : "";
    }

    public boolean flag(String field) {
      return Boolean.TRUE.equals(body.get(field));
    }

    public byte[] bytes(String field) throws IOException {
      try {
        return Base64.getDecoder().decode(text(field));
      } catch (IllegalArgumentException error) {
        throw new IOException(name + "." + field + " is not base64", error);
      }
    }

    /** What the node says with {@code error}. Who does not say that nothing happened has not said it. */
    public OutriggerException refusal() {
      return new OutriggerException(text("code"), flag("definite"), text("message"), number("retryAfterMs"));
    }
  }

  private Connection(SocketChannel channel) {
    this.channel = channel;
  }

  /** Connects to a path, or to {@code tcp://HOST:PORT}. */
  public static Connection open(String at) throws IOException {
    if (!at.startsWith("tcp://")) return new Connection(SocketChannel.open(UnixDomainSocketAddress.of(at)));
    var colon = at.lastIndexOf(':');
    var address = new InetSocketAddress(at.substring("tcp://".length(), colon), Integer.parseInt(at.substring(colon + 1)));
    var channel = SocketChannel.open(address);
    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    return new Connection(channel);
  }

  /**
   * Refuses a request whose command the node would not take. It would say so itself; but one too large for a frame would cost the
   * connection, with all that is open.
   */
  public void admit(Map<String, ?> fields) throws OutriggerException {
    if (!(fields.get("command") instanceof String text)) return;
    var bytes = text.length() / 4 * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
    if (bytes <= commandBytes) return;
    var message = "the command has " + bytes + " bytes, over the node's limit of " + commandBytes;
    throw new OutriggerException("TOO_LARGE", true, message);
  }

  public synchronized void send(String name, Map<String, ?> body) throws IOException {
    var data = ByteBuffer.wrap((Json.write(Map.of(name, body)) + "\n").getBytes(StandardCharsets.US_ASCII));
    while (data.hasRemaining()) channel.write(data);
  }

  /** Waits for the next frame. An EOFException says that the node has closed the connection. */
  public Frame next() throws IOException {
    try {
      if (Json.read(line()) instanceof Map<?, ?> frame && frame.size() == 1) {
        var member = frame.entrySet().iterator().next();
        if (member.getValue() instanceof Map<?, ?> body) {
          @SuppressWarnings("unchecked") // the keys of what Json reads are Strings
          var fields = (Map<String, Object>) body;
          var one = new Frame((String) member.getKey(), fields);
          if (one.name().equals("welcome")) learn(one);
          return one;
        }
      }
    } catch (IllegalArgumentException error) {
      throw new IOException(error.getMessage(), error);
    }
    throw new IOException("the node sent a line that is not one frame");
  }

  private void learn(Frame welcome) {
    if (!(welcome.body().get("limits") instanceof Map<?, ?> limits)) return;
    @SuppressWarnings("unchecked") // the keys of what Json reads are Strings
    var most = new Frame("limits", (Map<String, Object>) limits).number("commandBytes");
    if (most > 0) commandBytes = most;
  }

  private String line() throws IOException {
    var line = new ByteArrayOutputStream();
    while (true) {
      var start = input.position();
      while (input.hasRemaining()) {
        if (input.get() != '\n') continue;
        line.write(input.array(), start, input.position() - 1 - start);
        return line.toString(StandardCharsets.UTF_8);
      }
      line.write(input.array(), start, input.position() - start);
      if (line.size() > LINE_BYTES) throw new IOException("the node sent a line that does not end");
      input.clear();
      if (channel.read(input) < 0) throw new EOFException("the node closed the connection");
      input.flip();
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException error) {
      // It is gone either way.
    }
  }
}
