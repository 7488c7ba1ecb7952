package outrigger;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import outrigger.OutriggerException.SessionLost;

/**
 * A session makes trying again safe: a command takes effect once, however often it is sent and wherever. One command after the other; threads
 * take turns. It is kept alive in the background until it is closed.
 */
public final class Session implements AutoCloseable {
  /** How often a silent session is kept alive in its time to live. */
  private static final int KEEPS_PER_TTL = 3;

  private final Client client;
  private final long id;
  private final Duration keepEvery;
  /** The sequence of the next command. */
  private long next = 1;
  /** What occupies it: a command that nobody waits for any more, and that may have been taken. */
  private byte[] held;
  private boolean maybe;
  private boolean gone;
  private long usedAt = System.nanoTime();
  private final Thread keeper = new Thread(this::keep, "outrigger-session");

  Session(Client client, long id, Duration ttl) {
    this.client = client;
    this.id = id;
    this.keepEvery = ttl.dividedBy(KEEPS_PER_TTL);
    keeper.setDaemon(true);
    keeper.start();
  }

  /**
   * Sends the command until it is answered. When the time is up first and some try may have been taken, the exception is not definite: the
   * session keeps the command under its number, and settles it before whatever is proposed next.
   */
  public synchronized Client.Proposed propose(byte[] command, Duration timeout) throws OutriggerException {
    var deadline = Client.deadline(timeout);
    if (gone) throw lost("it is closed or lost", true);
    if (held != null) {
      try {
        settle(deadline);
      } catch (OutriggerException error) {
        // It says nothing of this command: that one surely did not happen.
        if (error instanceof SessionLost) throw new SessionLost(true, error.getMessage());
        if (!error.code.equals("SKIPPED")) {
          var text = "an earlier command of the session is still unsettled: " + error.getMessage();
          throw new OutriggerException("NOT_SENT", true, text);
        }
      }
    }
    held = command.clone();
    maybe = false;
    return settle(deadline);
  }

  /** Ends it. The outcome of what it holds stays unknown. */
  @Override
  public void close() throws OutriggerException {
    keeper.interrupt();
    synchronized (this) {
      if (gone) return;
      gone = true;
    }
    try {
      client.call("closeSession", Map.of("session", id), Client.deadline(keepEvery));
    } catch (OutriggerException error) {
      if (!error.code.equals("SESSION_UNKNOWN")) throw error;
    }
  }

  /** Sends what is held, always under the same sequence, until it is answered or surely refused. */
  private Client.Proposed settle(long deadline) throws OutriggerException {
    var fields = new HashMap<String, Object>();
    fields.put("command", Client.base64(held));
    fields.put("session", id);
    fields.put("sequence", next);
    fields.put("ackBelow", next);
    for (var tries = 1; ; tries++) {
      try {
        var done = Client.proposed(client.tryOnce("propose", fields, deadline, false));
        held = null;
        next++;
        usedAt = System.nanoTime();
        return done;
      } catch (OutriggerException error) {
        if (error.code.equals("SESSION_UNKNOWN")) throw lost(error.getMessage(), !maybe);
        if (error.code.equals("SKIPPED")) { // an operator's answer: the number is used, and no app was given the command
          held = null;
          next++;
          throw error;
        }
        if (!error.definite) maybe = true;
        var forGood = error.definite && !Client.passes(error) && !error.code.equals("SEQUENCE_GAP");
        if ((maybe || !forGood) && Client.sleep(Client.pauseMs(error, tries), deadline)) continue;
        if (!maybe) { // every try was refused: the number is free
          held = null;
          throw error;
        }
        var text = "command " + next + " of session " + id + " was not answered in time; the session holds it";
        throw new OutriggerException("TIMEOUT", false, text);
      }
    }
  }

  private SessionLost lost(String why, boolean sure) {
    gone = true;
    var what = sure ? "this command was not taken" : "whether this command took effect is unknown";
    return new SessionLost(sure, "session " + id + ": " + why + "; " + what);
  }

  /** Tells the cluster that an idle session is still in use. */
  private void keep() {
    while (true) {
      try {
        Thread.sleep(Math.max(1, keepEvery.toMillis()));
      } catch (InterruptedException error) {
        return;
      }
      synchronized (this) {
        if (gone) return;
        var asked = System.nanoTime();
        if (asked - usedAt < keepEvery.toNanos()) continue;
        try {
          client.call("keepSession", Map.of("session", id), Client.deadline(keepEvery));
          usedAt = asked;
        } catch (OutriggerException error) {
          // The next command says so; else no node could be told in time, and we try again.
          if (error.code.equals("SESSION_UNKNOWN")) gone = true;
          if (error.code.equals("CLOSED")) return;
        }
      }
    }
  }
}
