#!/bin/sh
# A replicated key-value server beside an Outrigger sidecar, in POSIX shell with socat, jq and openssl.
#
# A write is not done here, it is proposed. The sidecar replicates it and gives it back, on every node in the same order, and only
# then kv.jq changes the state. Three processes work together over pipes in $KV_DIR:
#
#   sidecar -> socat -> [this loop] -> jq (kv.jq, the state machine) -> [deliver] -> socat -> sidecar
#                                                                          `-> files that http.sh waits for
#
# Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), OUTRIGGER_DATA (a folder of its own), KV_PORT (default: any free port).
set -u
LC_ALL=C # lengths are bytes
export LC_ALL
: "${OUTRIGGER_SOCKET:?set it to the app socket of a sidecar, or run outrigger dev -- ./kv.sh}"
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "${OUTRIGGER_DATA:-}" ]; then
  KV_DIR=$OUTRIGGER_DATA/kv && rm -rf "$KV_DIR" && mkdir -p "$KV_DIR" || exit 1
else
  KV_DIR=$(mktemp -d) || exit 1
fi
export KV_DIR
trap '' PIPE # a pipe whose reader has gone is an error like others
children=
trap 'kill $children 2>/dev/null; rm -rf "$KV_DIR"' EXIT
trap 'exit 0' TERM INT

# Hands a frame to the state machine. http.sh does so as well; what is too long to be written to a pipe as a whole is written alone.
step() {
  [ ${#1} -lt 4096 ] || lock
  printf '%s\n' "$1" >&7 || exit 1
  [ ${#1} -lt 4096 ] || rmdir "$KV_DIR/lock"
}

lock() {
  for _ in $(seq 500); do # a holder that was killed must not stop us for ever
    mkdir "$KV_DIR/lock" 2>/dev/null && return
    sleep 0.02
  done
}

sha256() { openssl dgst -sha256 -binary "$1" | openssl base64 -A; }

# Sends the state in chunks. A line of at most 4,096 bytes is written to a pipe as a whole (PIPE_BUF), so others may write meanwhile.
ship() { # LINE INDEX FILE
  {
    printf '{"snapshotBegin":{"index":%s,"format":"kv-json-1"}}\n' "$2"
    openssl base64 -A <"$3" | fold -w 3840 | while IFS= read -r data || [ -n "$data" ]; do
      printf '{"snapshotChunk":{"data":"%s"}}\n' "$data"
    done
    printf '{"snapshotEnd":{"sha256":"%s"}}\n' "$(sha256 "$3")"
  } >"$KV_DIR/to.$1"
  rm -f "$3"
}

# Carries out what the state machine says.
deliver() {
  shipper=
  while IFS=' ' read -r what first rest; do
    case $what in
      send) [ -p "$KV_DIR/to.$first" ] && printf '%s\n' "$rest" >"$KV_DIR/to.$first" ;;
      reply) [ -f "$KV_DIR/waiting.$first" ] && printf '%s\n' "$rest" >"$KV_DIR/reply.$first" ;;
      snapshot)
        [ -n "$shipper" ] && wait "$shipper" # one after the other
        printf '%s' "${rest#* }" >"$KV_DIR/snapshot"
        ship "$first" "${rest%% *}" "$KV_DIR/snapshot" &
        shipper=$!
        ;;
    esac
  done
} 2>/dev/null # a connection that has gone, and with it whoever asked

# Hands the received state over, if it is whole.
restored() { # the end frame
  index=$(printf '%s' "$begin" | jq .restoreBegin.index)
  case $begin in
    *'"format":"kv-json-1"'*) ;;
    *) step '{"refuse":"unknown format"}' && return ;;
  esac
  if [ "$(sha256 "$KV_DIR/restore")" = "$(printf '%s' "$1" | jq -r .restoreEnd.sha256)" ]; then
    lock
    jq -Rsc --argjson index "$index" '{restore: {index: $index, text: .}}' <"$KV_DIR/restore" >&7 || exit 1
    rmdir "$KV_DIR/lock"
  else
    step '{"refuse":"the bytes do not have their sha256"}'
  fi
}

value_of() { # FRAME FIELD: a number, or a string without escapes
  value=${1#*"\"$2\":"}
  value=${value#\"}
  value=${value%%[\",\}]*}
}

# One connection, from its hello to its end.
serve() { # LINE
  mkfifo "$KV_DIR/to.$1" "$KV_DIR/from.$1" || exit 1
  socat "UNIX-CONNECT:$OUTRIGGER_SOCKET" - <"$KV_DIR/to.$1" >"$KV_DIR/from.$1" 2>/dev/null &
  exec 8<>"$KV_DIR/to.$1" 9<"$KV_DIR/from.$1" # with its other end too, so that nobody hangs who opens it when socat has gone
  step "{\"connect\":{\"line\":$1}}"
  while IFS= read -r frame <&9; do
    case $frame in
      '{"entries"'* | '{"takeSnapshot"'* | '{"proposed"'*) step "$frame" ;;
      '{"readReady"'*) # our state is now as fresh as was asked for
        value_of "$frame" id
        [ -f "$KV_DIR/waiting.$value" ] && IFS= read -r key <"$KV_DIR/waiting.$value" &&
          step "{\"id\":$value,\"get\":$key}"
        ;;
      '{"welcome"'*) printf '%s\n' "$1" >"$KV_DIR/line" ;; # from here on requests may use it
      '{"restoreBegin"'*) begin=$frame && : >"$KV_DIR/restore" ;;
      '{"restoreChunk"'*) value_of "$frame" data && printf '%s' "$value" | openssl base64 -d -A >>"$KV_DIR/restore" ;;
      '{"restoreEnd"'*) restored "$frame" ;;
      '{"error"'*'"id":'*) step "$frame" ;;
      '{"error"'*)
        printf 'sidecar: %s\n' "$frame" >&2
        case $frame in
          *'"APP_AHEAD"'* | *'"APP_DIVERGED"'*) step '{"startOver":true}' ;; # our state is not this log's
        esac
        ;;
      '{"goodbye"'*SUPERSEDED*) # two copies that push each other out would never end
        echo 'another copy of this app took over' >&2
        exit 1
        ;;
      '{"goodbye"'*) break ;; # and say hello again; so do we after RESTORE, to be given a snapshot
    esac
  done
  rm -f "$KV_DIR/line" "$KV_DIR/to.$1" "$KV_DIR/from.$1"
  exec 8>&- 9<&-
  # Whoever waits will never be answered, and cannot know whether the sidecar got the request: indefinite.
  for waiting in "$KV_DIR"/waiting.*; do
    [ -f "$waiting" ] || continue
    lost='"code":"SIDECAR_LOST","definite":false,"message":"the connection to the sidecar broke"'
    step "{\"error\":{\"id\":${waiting##*.},$lost}}"
  done
}

mkfifo "$KV_DIR/steps" "$KV_DIR/words" || exit 1
jq -nr --unbuffered -f "$here/kv.jq" <"$KV_DIR/steps" >"$KV_DIR/words" &
children=$!
deliver <"$KV_DIR/words" &
children="$children $!"
exec 7>"$KV_DIR/steps"

# Each request over HTTP has a process of its own.
mkfifo "$KV_DIR/http" || exit 1
socat -d -d "TCP-LISTEN:${KV_PORT:-0},bind=127.0.0.1,fork,reuseaddr,backlog=128" "EXEC:sh '$here/http.sh'" 2>"$KV_DIR/http" 7>&- &
children="$children $!"
while IFS= read -r word; do
  case $word in
    *'listening on AF=2 '*) printf 'listening on http://%s\n' "${word##* }" ;;
    *' E '*) printf '%s\n' "$word" >&2 ;;
  esac
done <"$KV_DIR/http" 7>&- &
children="$children $!"

line=0
while :; do
  line=$((line + 1))
  serve "$line"
  sleep 0.1
done
