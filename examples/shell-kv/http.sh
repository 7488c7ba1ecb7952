#!/bin/sh
# One request over HTTP, on standard input and output: asks the sidecar on the line of kv.sh, and waits for what kv.jq says.
set -u
return=$(printf '\r')

answer() { # STATUS INDEX BODY (in base64)
  size=$((${#3} / 4 * 3))
  case $3 in *==) size=$((size - 2)) ;; *=) size=$((size - 1)) ;; esac
  printf 'HTTP/1.1 %s -\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %s\r\n' "$1" "$size"
  [ "$2" = 0 ] || printf 'X-Index: %s\r\n' "$2"
  [ "$1" = 503 ] && printf 'Retry-After: 1\r\n'
  printf '\r\n'
  printf '%s' "$3" | openssl base64 -d -A
  rm -f "$mine" "$KV_DIR/reply.$$" "$KV_DIR/body.$$"
  exit 0
}

refuse() { # STATUS CODE DEFINITE MESSAGE
  answer "$1" 0 "$(printf '{"code": "%s", "definite": %s, "message": "%s"}' "$2" "$3" "$4" | openssl base64 -A)"
}

# Sends one frame and waits. A line of up to 4,096 bytes is written to a pipe as a whole, so none mixes with another.
ask() { # FRAME
  [ "${#1}" -lt 4096 ] || refuse 413 TOO_LARGE true 'a command must fit into one write to a pipe: about 2,900 bytes'
  { IFS= read -r line <"$KV_DIR/line"; } 2>/dev/null || refuse 503 SIDECAR_ABSENT true 'not connected to the sidecar'
  [ -p "$KV_DIR/to.$line" ] && printf '%s\n' "$1" 2>/dev/null >>"$KV_DIR/to.$line" ||
    refuse 504 SIDECAR_LOST false 'the connection to the sidecar broke'
  await
}

await() {
  for _ in $(seq 1000); do # until the whole line is there, for 20 s
    [ -f "$KV_DIR/reply.$$" ] && IFS=' ' read -r status index body <"$KV_DIR/reply.$$" && answer "$status" "$index" "$body"
    sleep 0.02
  done
  refuse 504 TIMEOUT false 'no answer from the sidecar for 20 s'
}

decode() { # %41 is A; sets `decoded`
  octal=$(printf '%s\n' "$1" | awk '
    function digit(c) { return index("0123456789abcdef", tolower(c)) - 1 }
    {
      gsub(/\\/, "\\\\\\\\")
      out = ""
      while (match($0, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
        code = digit(substr($0, RSTART + 1, 1)) * 16 + digit(substr($0, RSTART + 2, 1))
        out = out substr($0, 1, RSTART - 1) sprintf("\\0%03o", code)
        $0 = substr($0, RSTART + 3)
      }
      print out $0
    }')
  case $octal in *'\0000'*) refuse 400 BAD_REQUEST true 'a key has no zero byte here' ;; esac
  decoded=$(printf '%bx' "$octal") decoded=${decoded%x}
}

mine=$KV_DIR/waiting.$$
: >"$mine" # says that we wait; and for a read, for which key
IFS=' ' read -r method target _ || exit 0
length=0
while IFS= read -r header && [ -n "${header%"$return"}" ]; do
  case $header in
    [Cc]ontent-[Ll]ength:*) length=$(printf '%s' "${header#*:}" | tr -dc 0-9) ;;
    [Ee]xpect:*100-*) printf 'HTTP/1.1 100 Continue\r\n\r\n' ;;
  esac
done
query=${target#*\?}
[ "$query" = "$target" ] && query=
decode "${target%%\?*}"
key=${decoded#/}

case $method in
  GET)
    if [ "$key" = _dump ]; then # for tests; asks nobody
      until mkdir "$KV_DIR/lock" 2>/dev/null; do sleep 0.02; done
      printf '{"id":%s,"get":"_dump"}\n' "$$" >>"$KV_DIR/steps"
      rmdir "$KV_DIR/lock"
      await
    fi
    how='' index=''
    case "&$query&" in *'&consistency='*) how=${query#*consistency=} how=${how%%&*} ;; esac
    case "&$query&" in *'&index='*) index=${query#*index=} index=${index%%&*} ;; esac
    case $index in *[!0-9]*) refuse 400 BAD_REQUEST true 'index is a number' ;; esac
    case $how in *[!A-Z_]*) refuse 400 BAD_REQUEST true 'no such consistency' ;; esac
    printf '%s' "$key" | jq -Rsc . >"$mine"
    ask "{\"read\":{\"id\":$$,\"consistency\":\"${how:-LINEARIZABLE}\"${index:+,\"index\":$index}}}"
    ;;
  PUT)
    dd bs=1 count="$length" 2>/dev/null >"$KV_DIR/body.$$"
    iconv -f UTF-8 -t UTF-8 "$KV_DIR/body.$$" >/dev/null 2>&1 || refuse 400 BAD_REQUEST true 'values are UTF-8 text'
    ask "$(jq -Rsc --arg key "$key" --argjson id "$$" \
      '{propose: {id: $id, command: ({op: "put", key: $key, value: .} | tojson | @base64)}}' <"$KV_DIR/body.$$")"
    ;;
  DELETE)
    ask "$(jq -nc --arg key "$key" --argjson id "$$" \
      '{propose: {id: $id, command: ({op: "delete", key: $key} | tojson | @base64)}}')"
    ;;
  *) refuse 400 BAD_REQUEST true 'PUT, GET and DELETE' ;;
esac
