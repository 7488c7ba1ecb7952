# The state machine of shell-kv. Frames of the sidecar come in, and what kv.sh asks; lines for kv.sh go out:
#   send LINE FRAME                 to the sidecar, on the connection of that number
#   reply REQUEST STATUS INDEX BODY to whoever asked over HTTP, the body in base64
#   snapshot LINE INDEX TEXT        to be sent in chunks

# A JSON object whose members are all strings. So strict because copies in other languages must refuse the same, and jq alone
# would take more for it: half of a surrogate pair, or a line break in a string.
def string_pattern:
  "\"(?>[^\"\\\\\\x00-\\x1f]++|\\\\[\"\\\\/bfnrt]|\\\\u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
  + "|[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}))*+\"";
def member_pattern: "[ \\t\\r\\n]*+" + string_pattern + "[ \\t\\r\\n]*+:[ \\t\\r\\n]*+" + string_pattern + "[ \\t\\r\\n]*+";
def object_pattern:
  "\\A[ \\t\\r\\n]*+\\{(?:[ \\t\\r\\n]*+|" + member_pattern + "(?:," + member_pattern + ")*+)\\}[ \\t\\r\\n]*+\\z";
def strings: if test(object_pattern) then fromjson else null end;

# A JSON string in ASCII, as every copy writes it.
def unit: "\\u" + ([4096, 256, 16, 1] as $places | . as $n | [$places[] | ($n / . | floor) % 16]
  | map("0123456789abcdef"[.:. + 1]) | add);
def escaped:
  if . == 34 then "\\\"" elif . == 92 then "\\\\" elif . >= 32 and . < 127 then [.] | implode
  elif . == 8 then "\\b" elif . == 9 then "\\t" elif . == 10 then "\\n" elif . == 12 then "\\f" elif . == 13 then "\\r"
  elif . > 65535 then . - 65536 | (55296 + (. / 1024 | floor) | unit) + (56320 + . % 1024 | unit)
  else unit end;
def quote: if test("[^ -~]|[\"\\\\]") then "\"" + (explode | map(escaped) | add) + "\"" else "\"" + . + "\"" end;
def snapshot: . as $state | "{" + ([keys[] | quote + ": " + ($state[.] | quote)] | join(", ")) + "}";

# One command; sets .result. The same command in the same state MUST do the same on every node: so no clock, no `input`, no `env`.
def execute($command):
  # What is not UTF-8 does not come back the same.
  (if ($command | @base64d | @base64) == $command then $command | @base64d | strings else null end) as $request
  | if $request == null or ($request | has("key") | not) or ($request.op != "put" and $request.op != "delete") then
      .result = "{\"error\": \"not a command of this app\"}"
    else
      .result = "{\"existed\": \(.state | has($request.key))}"
      | if $request.op == "put" then .state[$request.key] = ($request.value // "") else .state |= del(.[$request.key]) end
    end;

def send($frame): .out += ["send \(.line) \($frame | tojson)"];
def reply($id; $status; $index; $body): .out += ["reply \($id) \($status) \($index) \($body | @base64)"];
def refusal: "{\"code\": \(.code | quote), \"definite\": \(.definite), \"message\": \(.message | quote)}";

# A snapshot holds only what was acknowledged, so this comes after `applied`.
def freeze:
  if .wanted != null and .applied >= .wanted then
    .wanted = null | .out += ["snapshot \(.line) \(.applied) \(.state | snapshot)"]
  else . end;

# 30 entries in one acknowledgement: the line stays short enough to be written to a pipe as a whole. The last one says `through`,
# which also covers entries that are not ours to see.
def apply($batch):
  ($batch.entries // []) as $entries
  | reduce range(0; [1, ($entries | length)] | max; 30) as $at (.;
      reduce $entries[$at:$at + 30][] as $entry (.results = [];
        execute($entry.command // "") | .results += [{index: $entry.index, result: (.result | @base64)}])
      | (if $at + 30 < ($entries | length) then .results[-1].index else $batch.through end) as $through
      | send({applied: {through: $through, results: .results}}))
  | .applied = $batch.through | .hash = $batch.hash
  | freeze;

# All of it or nothing.
def restore($from):
  ($from.text | strings) as $state
  | if $state == null then send({restoreRefused: {reason: "not a JSON object of strings"}})
    else
      .state = $state | .applied = $from.index | .hash = null # the next `entries` bring one
      | send({restored: {index: .applied}})
    end;

# What comes, by the name of its frame.
def step($frame):
  .out = []
  | if $frame.connect then
      .line = $frame.connect.line | .wanted = null
      | send({hello: {protocol: 1, app: "shell-kv", stateMachine: ({appliedIndex: .applied, snapshots: "BLOB",
          windowEntries: 256, windowBytes: 65536} + (if .hash then {appliedHash: .hash} else {} end))}})
    elif $frame.entries then apply($frame.entries)
    elif $frame.takeSnapshot then .wanted = $frame.takeSnapshot.index | freeze
    elif $frame.restore then restore($frame.restore)
    elif $frame.refuse then send({restoreRefused: {reason: $frame.refuse}})
    elif $frame.startOver then .state = {} | .applied = 0 | .hash = null
    elif $frame.proposed then
      reply($frame.proposed.id; 200; $frame.proposed.index;
        "{\"index\": \($frame.proposed.index), " + ($frame.proposed.result | @base64d)[1:])
    elif $frame.get == "_dump" then
      reply($frame.id; 200; 0; "{\"appliedIndex\": \(.applied), \"state\": " + (.state | snapshot) + "}")
    elif $frame.id then
      .state[$frame.get] as $value | reply($frame.id; if $value then 200 else 404 end; .applied; $value // "")
    elif $frame.error then
      # A definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened.
      ($frame.error | {code, definite: (.definite // false), message: (.message // "")}) as $no
      | (if $no.definite then {BAD_REQUEST: 400, TOO_LARGE: 413}[$no.code] // 503 else 504 end) as $status
      | reply($frame.error.id; $status; 0; $no | refusal)
    else . end;

foreach inputs as $frame ({state: {}, applied: 0, hash: null, wanted: null, line: 0, out: []}; step($frame); .out[])
