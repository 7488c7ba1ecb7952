package outrigger;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import outrigger.Connection.Frame;

/** One connection to one node: hello, then one request at a time, until it is lost or left. A thread of its own reads. */
final class Link implements AutoCloseable {
  /** Stands for the end of the connection. */
  private static final Frame END = new Frame("", Map.of());

  private final Connection connection;
  private final BlockingQueue<Frame> answers = new LinkedBlockingQueue<>();
  private long last;
  private volatile String why = "";
  private volatile boolean saysStop;
  private volatile boolean usable = true;
  String node = "";
  String cluster = "";

  private Link(Connection connection) {
    this.connection = connection;
    var reader = new Thread(this::read, "outrigger-link");
    reader.setDaemon(true);
    reader.start();
  }

  /** Dials, says hello, and waits for the welcome. */
  static Link open(Client.Address address, long deadline) throws OutriggerException {
    Link link;
    try {
      link = new Link(Connection.open(address.at()));
    } catch (IOException | RuntimeException error) {
      throw new OutriggerException("CONNECTION_LOST", false, address.at() + ": " + error.getMessage());
    }
    try {
      var hello = new HashMap<String, Object>(Map.of("protocol", 1, "app", "outrigger-java"));
      if (address.token() != null) hello.put("token", address.token());
      link.send("hello", hello);
      var welcome = link.next(deadline);
      if (welcome.name().equals("error")) throw welcome.refusal();
      link.node = welcome.text("node");
      link.cluster = welcome.text("cluster");
      return link;
    } catch (OutriggerException error) {
      link.close();
      throw error;
    }
  }

  /** False when it is lost, or the node has said goodbye. */
  boolean usable() {
    return usable;
  }

  /** Sends a request and waits for its answer. An exception is definite only where the node said so. */
  Frame ask(String name, Map<String, Object> fields, long deadline) throws OutriggerException {
    if (name.equals("propose") && saysStop) throw new OutriggerException("OVERLOADED", true, "the node says STOP");
    connection.admit(fields);
    var request = new HashMap<>(fields);
    request.put("id", ++last);
    send(name, request);
    while (true) {
      var frame = next(deadline);
      if (frame.number("id") != last) continue;
      if (frame.name().equals("error")) throw frame.refusal();
      return frame;
    }
  }

  @Override
  public void close() {
    usable = false;
    connection.close();
  }

  private void send(String name, Map<String, Object> body) throws OutriggerException {
    try {
      connection.send(name, body);
    } catch (IOException error) {
      close();
      throw new OutriggerException("CONNECTION_LOST", false, error.getMessage());
    }
  }

  private Frame next(long deadline) throws OutriggerException {
    try {
      var frame = answers.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      if (frame == null) {
        close(); // silent; and an answer that comes later must not be taken for another's
        throw new OutriggerException("TIMEOUT", false, "the node did not answer in time");
      }
      if (frame == END) throw new OutriggerException("CONNECTION_LOST", false, why);
      return frame;
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      close();
      throw new OutriggerException("TIMEOUT", false, "interrupted");
    }
  }

  private void read() {
    try {
      while (true) {
        var frame = connection.next();
        switch (frame.name()) {
          case "pressure" -> saysStop = frame.text("level").equals("STOP");
          case "goodbye" -> usable = false; // it may answer yet what it was asked before
          case "welcome", "error", "proposed", "readReady", "sessionOpened", "sessionKept", "sessionClosed" -> answers.add(frame);
          default -> {
            // News that we do not need, or do not know.
          }
        }
      }
    } catch (IOException error) {
      usable = false;
      why = "" + error.getMessage();
      answers.add(END);
    }
  }
}
