import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import outrigger.Client;
import outrigger.OutriggerException;
import outrigger.OutriggerException.SessionLost;

/**
 * Proposes each line of standard input, in one session: each takes effect once, whatever dies meanwhile.
 *
 * <pre>java -cp build Lines [--once] /run/n1.sock /run/n2.sock tcp://127.0.0.1:7001,TOKEN</pre>
 *
 * Prints {@code INDEX RESULT} for each, or {@code ! KIND CODE: message}. With --once, without a session: nothing is tried again whose
 * outcome is unknown.
 */
final class Lines {
  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  private interface Proposer {
    Client.Proposed propose(byte[] command, Duration timeout) throws OutriggerException;
  }

  public static void main(String[] args) throws IOException {
    var once = Arrays.asList(args).contains("--once");
    var addresses = Arrays.stream(args).filter(arg -> !arg.equals("--once")).map(Lines::address).toList();
    try (var cluster = Client.connect(addresses, TIMEOUT)) {
      if (once) {
        propose(cluster::propose);
      } else {
        try (var session = cluster.openSession(Duration.ofMinutes(1), TIMEOUT)) {
          propose(session::propose);
        }
      }
      var read = cluster.readAtLeast(cluster.highestIndex(), TIMEOUT);
      System.err.printf("the app beside %s holds all of them: it has applied %d%n", read.node(), read.index());
    } catch (OutriggerException error) {
      System.err.println(error.code + ": " + error.getMessage());
      System.exit(1);
    }
  }

  private static void propose(Proposer to) throws IOException {
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = input.readLine()) != null; ) {
      try {
        var done = to.propose(line.getBytes(StandardCharsets.UTF_8), TIMEOUT);
        System.out.println(done.index() + " " + new String(done.result(), StandardCharsets.UTF_8));
      } catch (OutriggerException error) {
        var kind = error instanceof SessionLost ? "session-lost" : error.definite ? "definite" : "unknown";
        System.out.println("! " + kind + " " + error.code + ": " + error.getMessage());
      }
    }
  }

  private static Client.Address address(String text) {
    var comma = text.indexOf(',');
    return comma < 0 ? new Client.Address(text, null) : new Client.Address(text.substring(0, comma), text.substring(comma + 1));
  }
}
