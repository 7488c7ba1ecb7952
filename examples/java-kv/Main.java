import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import outrigger.Json;
import outrigger.OutriggerException;

/**
 * A replicated key-value server beside an Outrigger sidecar.
 *
 * <p>A write is not done here, it is proposed. The sidecar replicates it and gives it back, on every node in the same order, and only
 * then {@link Machine#execute} changes the state. README.md has the requests.
 *
 * <p>Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (default: any free port).
 */
final class Main {
  private final Replica replica;

  private Main(Replica replica) {
    this.replica = replica;
  }

  public static void main(String[] args) throws IOException {
    var path = System.getenv("OUTRIGGER_SOCKET");
    if (path == null) {
      System.err.println("set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- java -cp build Main`");
      System.exit(1);
    }
    System.setProperty("sun.net.httpserver.nodelay", "true");
    var port = Integer.parseInt(System.getenv().getOrDefault("KV_PORT", "0"));
    var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 128);
    var replica = new Replica(path);
    server.createContext("/", new Main(replica)::handle);
    server.setExecutor(Executors.newCachedThreadPool());
    var follower = new Thread(replica::follow);
    follower.setDaemon(true);
    follower.start();
    server.start();
    System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort());
  }

  /** What is answered; the index is 0 where there is none. */
  private record Reply(int status, long index, String type, byte[] body) {
    static Reply json(int status, long index, String body) {
      return new Reply(status, index, "application/json", body.getBytes(StandardCharsets.UTF_8));
    }
  }

  private void handle(HttpExchange http) throws IOException {
    try (http) {
      Reply reply;
      try {
        reply = answer(http);
      } catch (OutriggerException no) {
        reply = refusal(no);
      }
      var headers = http.getResponseHeaders();
      headers.set("Content-Type", reply.type);
      if (reply.index > 0) headers.set("X-Index", Long.toString(reply.index));
      if (reply.status == 503) headers.set("Retry-After", "1");
      http.sendResponseHeaders(reply.status, reply.body.length == 0 ? -1 : reply.body.length);
      if (reply.body.length > 0) http.getResponseBody().write(reply.body);
    }
  }

  private Reply answer(HttpExchange http) throws IOException, OutriggerException {
    var body = http.getRequestBody().readAllBytes();
    var key = decode(http.getRequestURI().getRawPath().substring(1));
    var command = new LinkedHashMap<String, Object>();
    switch (http.getRequestMethod()) {
      case "GET":
        return key.equals("_dump") ? dump() : get(key, http.getRequestURI().getRawQuery());
      case "PUT":
        command.putAll(Map.of("op", "put", "key", key, "value", text(body)));
        return propose(command);
      case "DELETE":
        command.putAll(Map.of("op", "delete", "key", key));
        return propose(command);
      default:
        throw badRequest("PUT, GET and DELETE");
    }
  }

  /** Answers when the command is on a majority of disks and applied here. */
  private Reply propose(Map<String, Object> command) throws OutriggerException {
    var data = Replica.base64(Json.write(command).getBytes(StandardCharsets.UTF_8));
    var done = replica.ask("propose", Map.of("command", data));
    try {
      // What execute answered, with the index before it.
      var result = new String(done.bytes("result"), StandardCharsets.UTF_8).substring(1);
      var index = done.number("index");
      return Reply.json(200, index, "{\"index\": " + index + ", " + result);
    } catch (IOException error) {
      throw new OutriggerException("INTERNAL", false, error.getMessage());
    }
  }

  private Reply get(String key, String query) throws OutriggerException {
    var read = new HashMap<String, Object>();
    for (var pair : query == null ? new String[0] : query.split("&")) {
      var value = decode(pair.substring(pair.indexOf('=') + 1));
      if (pair.startsWith("consistency=")) read.put("consistency", value);
      if (!pair.startsWith("index=")) continue;
      if (!value.matches("\\d{1,15}")) throw badRequest("index is a number");
      read.put("index", Long.valueOf(value));
    }
    replica.ask("read", read); // back when our state is as fresh as was asked for
    return replica.withState((state, applied) -> {
      var value = state.get(key);
      var data = (value == null ? "" : value).getBytes(StandardCharsets.UTF_8);
      return new Reply(value == null ? 404 : 200, applied, "text/plain; charset=utf-8", data);
    });
  }

  /** For tests: equal bytes on nodes that are equal. */
  private Reply dump() {
    return replica.withState((state, applied) -> {
      var body = new ByteArrayOutputStream();
      Machine.<RuntimeException>writeChunks(state, body::writeBytes);
      return Reply.json(200, 0, "{\"appliedIndex\": " + applied + ", \"state\": " + body.toString(StandardCharsets.US_ASCII) + "}");
    });
  }

  /** A definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened. */
  private static Reply refusal(OutriggerException no) {
    var definite = no.code.equals("BAD_REQUEST") ? 400 : no.code.equals("TOO_LARGE") ? 413 : 503;
    var body = new LinkedHashMap<String, Object>();
    body.put("code", no.code);
    body.put("definite", no.definite);
    body.put("message", no.getMessage());
    return Reply.json(no.definite ? definite : 504, 0, Json.write(body));
  }

  private static String decode(String part) throws OutriggerException {
    try {
      return URLDecoder.decode(part.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException error) {
      throw badRequest("the URL is not encoded well");
    }
  }

  private static String text(byte[] data) throws OutriggerException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString();
    } catch (CharacterCodingException error) {
      throw badRequest("values are UTF-8 text");
    }
  }

  private static OutriggerException badRequest(String message) {
    return new OutriggerException("BAD_REQUEST", true, message);
  }
}
