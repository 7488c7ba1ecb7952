package outrigger;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON, as much of it as frames need, and strict: what is read wrongly in one place is another state than in the others.
 *
 * <p>Objects are Maps, arrays Lists, whole numbers Longs, others Doubles. Writes ASCII, in the form of Python's {@code json.dumps}.
 */
public final class Json {
  private static final int DEPTH = 100;
  private final String text;
  private int at;
  private int depth;

  private Json(String text) {
    this.text = text;
  }

  /** Reads one value. Throws IllegalArgumentException where it is none. */
  public static Object read(String text) {
    var json = new Json(text);
    var value = json.value();
    json.end();
    return value;
  }

  /** Reads an object whose members are all strings; of two with one name the last one counts. */
  public static Map<String, String> readStrings(String text) {
    var json = new Json(text);
    var members = new LinkedHashMap<String, String>();
    json.expect('{');
    if (!json.next('}')) {
      do {
        var name = json.string();
        json.expect(':');
        members.put(name, json.string());
      } while (json.next(','));
      json.expect('}');
    }
    json.end();
    return members;
  }

  private Object value() {
    space();
    if (at == text.length()) throw bad("it ends early");
    switch (text.charAt(at)) {
      case '{' -> {
        return object();
      }
      case '[' -> {
        return array();
      }
      case '"' -> {
        return string();
      }
      default -> {
        for (var word : new String[] {"true", "false", "null"}) {
          if (text.startsWith(word, at)) {
            at += word.length();
            return word.equals("null") ? null : (Object) word.equals("true");
          }
        }
        return number();
      }
    }
  }

  private Map<String, Object> object() {
    var members = new LinkedHashMap<String, Object>();
    deeper('{');
    if (!next('}')) {
      do {
        var name = string();
        expect(':');
        members.put(name, value());
      } while (next(','));
      expect('}');
    }
    depth--;
    return members;
  }

  private List<Object> array() {
    var elements = new ArrayList<>();
    deeper('[');
    if (!next(']')) {
      do {
        elements.add(value());
      } while (next(','));
      expect(']');
    }
    depth--;
    return elements;
  }

  private Object number() {
    var start = at;
    while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
    var digits = text.substring(start, at);
    if (digits.matches("-?(0|[1-9]\\d{0,17})")) return Long.valueOf(digits);
    if (!digits.matches("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?")) throw bad("no value");
    return Double.valueOf(digits);
  }

  private String string() {
    expect('"');
    var out = new StringBuilder();
    while (true) {
      if (at == text.length()) throw bad("a string does not end");
      var c = text.charAt(at++);
      if (c == '"') break;
      if (c < ' ') throw bad("a control character");
      out.append(c == '\\' ? escaped() : c);
    }
    for (var i = 0; i < out.length(); i++) {
      if (!Character.isSurrogate(out.charAt(i))) continue;
      if (!Character.isSurrogatePair(out.charAt(i), i + 1 < out.length() ? out.charAt(i + 1) : 0)) {
        throw bad("half a surrogate pair");
      }
      i++;
    }
    return out.toString();
  }

  private char escaped() {
    var c = at < text.length() ? text.charAt(at++) : 0;
    var plain = "\"\\/bfnrt".indexOf(c);
    if (plain >= 0) return "\"\\/\b\f\n\r\t".charAt(plain);
    if (c != 'u' || at + 4 > text.length()) throw bad("no such escape");
    var unit = 0;
    for (var end = at + 4; at < end; at++) {
      var digit = text.charAt(at) < 128 ? Character.digit(text.charAt(at), 16) : -1;
      if (digit < 0) throw bad("no such escape");
      unit = unit * 16 + digit;
    }
    return (char) unit;
  }

  private void deeper(char open) {
    expect(open);
    if (++depth > DEPTH) throw bad("too deep");
  }

  private void space() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
  }

  private boolean next(char wanted) {
    space();
    var found = at < text.length() && text.charAt(at) == wanted;
    if (found) at++;
    return found;
  }

  private void expect(char wanted) {
    if (!next(wanted)) throw bad("no " + wanted);
  }

  private void end() {
    space();
    if (at < text.length()) throw bad("more after the end");
  }

  private IllegalArgumentException bad(String why) {
    return new IllegalArgumentException("not JSON: " + why + " at " + at);
  }

  /** Writes Maps, Lists, Strings, Numbers and Booleans. */
  public static String write(Object value) {
    var out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    if (value instanceof String text) {
      quote(text, out);
    } else if (value instanceof Map<?, ?> members) {
      var between = "{";
      for (var member : members.entrySet()) {
        out.append(between);
        quote((String) member.getKey(), out);
        write(member.getValue(), out.append(": "));
        between = ", ";
      }
      out.append(members.isEmpty() ? "{}" : "}");
    } else if (value instanceof List<?> elements) {
      var between = "[";
      for (var element : elements) {
        write(element, out.append(between));
        between = ", ";
      }
      out.append(elements.isEmpty() ? "[]" : "]");
    } else {
      out.append(value);
    }
  }

  private static void quote(String text, StringBuilder out) {
    out.append('"');
    for (var i = 0; i < text.length(); i++) {
      var c = text.charAt(i);
      var plain = "\"\\\b\f\n\r\t".indexOf(c);
      if (plain >= 0) out.append('\\').append("\"\\bfnrt".charAt(plain));
      else if (c >= ' ' && c <= '~') out.append(c);
      else out.append(String.format("\\u%04x", (int) c));
    }
    out.append('"');
  }
}
