# A thin client of an Outrigger cluster for POSIX shell: proposals, reads and sessions at any of its nodes, or at a gateway.
#
#     . ./outrigger.sh
#     outrigger_connect /run/n1.sock /run/n2.sock tcp://127.0.0.1:7001,TOKEN || exit
#     outrigger_propose 'set x 1' && echo "$OUTRIGGER_RESULT"
#
# Needs socat and jq. Commands are UTF-8 text. README.md has the rules; docs/protocol.md has the frames.
#
# Functions return 0 when it is done, 1 when it did not and will not happen (definite), 2 when nobody knows, 3 when the session is lost;
# then OUTRIGGER_CODE and OUTRIGGER_MESSAGE say why. It uses the file descriptors 8 and 9, and names that begin with _o_.

OUTRIGGER_TRY_S=${OUTRIGGER_TRY_S:-3}   # one try; what may be tried again is, until
OUTRIGGER_CALL_S=${OUTRIGGER_CALL_S:-60} # a whole call has taken this long
OUTRIGGER_HIGHEST_INDEX=0                # of all answers so far
OUTRIGGER_NODE='' OUTRIGGER_INDEX='' OUTRIGGER_TERM='' OUTRIGGER_RESULT='' OUTRIGGER_DUPLICATE='' OUTRIGGER_RESULT_LOST=''
OUTRIGGER_CODE='' OUTRIGGER_MESSAGE=''

_o_cluster='' _o_pid='' _o_dir='' _o_largest=0 _o_last=0 _o_fails=0 _o_setbacks=0 _o_stop='' _o_after='' _o_definite=''

# ---------------------------------------------------------------- what scripts call

# Returns when one of these nodes has welcomed us. They are dialled in this order.
outrigger_connect() { # ADDRESS...
  [ $# -gt 0 ] || _o_fail BAD_REQUEST true 'a client needs the address of a node' || return
  trap '' PIPE # a node that has gone is an error like others
  _o_dir=$(mktemp -d) || return 1
  _o_addresses=$*
  _o_begin
  _o_reach || return 1
}

# Closes the connection; a session ends when its time is over.
outrigger_close() {
  _o_hang_up
  [ -n "$_o_dir" ] && rm -rf "$_o_dir"
  _o_dir=''
}

# Proposes a command once. When the outcome is unknown it is not tried again, since it could happen twice: a session can.
outrigger_propose() { # COMMAND
  _o_begin
  _o_call once propose "$(_o_command "$1")"
}

# Waits until the app beside $OUTRIGGER_NODE may be read, linearizably; or, with an index, until it has applied that.
outrigger_read() { # [INDEX]
  _o_begin
  if [ $# -eq 0 ]; then
    _o_call again read '{"consistency":"LINEARIZABLE"}'
  else
    _o_call again read "{\"consistency\":\"AT_LEAST\",\"index\":$1}"
  fi
}

# Opens a session that ends by itself when nothing was heard of it for so long. A script has one at a time.
outrigger_open_session() { # [TTL_S]
  _o_begin
  _o_call again openSession "{\"ttlMs\":$((${1:-60} * 1000))}" || return
  _o_sequence=1 _o_held='' _o_maybe='' _o_gone=''
}

# Says that it is still in use. Needed when it is idle for longer than a third of its time to live.
outrigger_keep_session() {
  _o_begin
  _o_call again keepSession "{\"session\":$_o_session}" && return
  [ "$OUTRIGGER_CODE" = SESSION_UNKNOWN ] || return
  _o_ended
  return 3
}

# Ends it. The outcome of what it holds stays unknown.
outrigger_close_session() {
  _o_begin
  _o_gone=yes
  _o_call again closeSession "{\"session\":$_o_session}" || [ "$OUTRIGGER_CODE" = SESSION_UNKNOWN ]
}

# Proposes a command in the session, and sends it until it is answered. When the time is up first and some try may have been taken, it
# returns 2: the session keeps the command under its number, and settles it before whatever is proposed next.
outrigger_propose_in_session() { # COMMAND
  _o_begin
  if [ -n "$_o_gone" ]; then
    _o_fail SESSION_UNKNOWN true "session $_o_session is closed or lost; this command was not taken" || return 3
  fi
  if [ -n "$_o_held" ]; then
    _o_settle
    case $?:$OUTRIGGER_CODE in
      0:* | 1:SKIPPED) ;;
      3:*) _o_fail SESSION_UNKNOWN true "session $_o_session is lost; this command was not taken" || return 3 ;;
      *) _o_fail NOT_SENT true "an earlier command of the session is still unsettled: $OUTRIGGER_MESSAGE" || return ;;
    esac
  fi
  _o_held=$(_o_command "$1") _o_maybe=''
  _o_settle
}

# ---------------------------------------------------------------- what is tried again

_o_command() { printf '%s' "$1" | jq -Rsc '{command: @base64}'; }

_o_begin() { _o_deadline=$(($(date +%s) + OUTRIGGER_CALL_S)); }

# Tries until it is answered, for as long as that is safe: after a definite refusal that passes, and, where asking twice changes nothing,
# after any unknown outcome.
_o_call() { # once|again NAME FIELDS
  _o_tries=0
  while _o_tries=$((_o_tries + 1)); do
    _o_ask "$2" "$3" && return 0
    _o_how=$?
    _o_passes || { [ $_o_how = 2 ] && [ "$1" = again ]; } || return $_o_how
    _o_pause "$_o_tries" || return $_o_how
  done
}

# Sends what is held, always under the same sequence, until it is answered or surely refused.
_o_settle() {
  _o_fields="{\"session\":$_o_session,\"sequence\":$_o_sequence,\"ackBelow\":$_o_sequence,${_o_held#\{}"
  _o_tries=0
  while _o_tries=$((_o_tries + 1)); do
    if _o_ask propose "$_o_fields"; then
      _o_sequence=$((_o_sequence + 1)) _o_held=''
      return 0
    fi
    case $OUTRIGGER_CODE in
      SESSION_UNKNOWN) _o_ended && return 3 ;;
      SKIPPED) # an operator's answer: the number is used, and no app was given the command
        _o_sequence=$((_o_sequence + 1)) _o_held=''
        return 1
        ;;
    esac
    [ "$_o_definite" = true ] || _o_maybe=yes
    if [ -n "$_o_maybe" ] || _o_passes || [ "$OUTRIGGER_CODE" = SEQUENCE_GAP ]; then
      _o_pause "$_o_tries" && continue
    fi
    if [ -n "$_o_maybe" ]; then
      _o_fail TIMEOUT false "command $_o_sequence of session $_o_session was not answered in time; the session holds it" || return
    fi
    _o_held='' # every try was refused: the number is free
    return 1
  done
}

_o_ended() {
  _o_gone=yes
  if [ -n "${_o_maybe:-}" ]; then
    OUTRIGGER_MESSAGE="$OUTRIGGER_MESSAGE; whether this command took effect is unknown"
  else
    OUTRIGGER_MESSAGE="$OUTRIGGER_MESSAGE; this command was not taken"
  fi
}

# Surely not done, and worth another try by itself.
_o_passes() {
  [ "$_o_definite" = true ] || return 1
  case $OUTRIGGER_CODE in OVERLOADED | APP_ABSENT | NO_SPACE | NOT_SENT) return 0 ;; esac
  [ -n "$_o_after" ]
}

# Waits before another try. Says whether there is time left.
_o_pause() { # TRIES
  if [ -n "$_o_after" ]; then
    _o_ms=$_o_after
    [ "$_o_ms" -le 5000 ] || _o_ms=5000
  else
    case $OUTRIGGER_CODE in
      CONNECTION_LOST | SHUTTING_DOWN) _o_ms=0 ;; # at another node, which has its own pause
      *) _o_backoff "$1" ;;
    esac
  fi
  _o_sleep "$_o_ms"
}

# Doubled from 50 ms to 1 s, less up to half by chance.
_o_backoff() { # FAILURES
  _o_ms=$((50 << ($1 > 6 ? 5 : $1 - 1)))
  [ "$_o_ms" -le 1000 ] || _o_ms=1000
  _o_chance=$(od -An -N1 -tu1 /dev/urandom | tr -dc 0-9)
  _o_ms=$((_o_ms / 2 + _o_ms * _o_chance / 512))
}

_o_sleep() { # MS
  [ $(($(date +%s) + $1 / 1000)) -lt "$_o_deadline" ] || return 1
  sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
}

# ---------------------------------------------------------------- which node

# Sends a request to the node that we are with, and learns from the answer whether to stay there.
_o_ask() { # NAME FIELDS
  _o_reach || return 1
  # The command is in base64, with little else. The node would refuse it as well; but one too large for a frame would cost the connection.
  if [ "$_o_largest" -gt 0 ] && [ ${#2} -gt $((_o_largest / 3 * 4 + 128)) ]; then
    _o_fail TOO_LARGE true "the command is over the node's limit of $_o_largest bytes"
  elif [ "$1$_o_stop" = proposeSTOP ]; then
    _o_fail OVERLOADED true 'the node says STOP'
  else
    _o_last=$((_o_last + 1))
    _o_request="{\"$1\":{\"id\":$_o_last,\"timeoutMs\":$((OUTRIGGER_TRY_S * 1000)),${2#\{}}"
    if printf '%s\n' "$_o_request" 2>/dev/null >&8 || [ ${#_o_request} -ge 1024 ]; then
      _o_answer "$_o_last"
    else # short enough to be written as a whole or not at all
      _o_fail NOT_SENT true 'the connection had ended'
    fi
  fi
  _o_how=$?
  if [ $_o_how = 0 ]; then
    _o_fails=0 _o_setbacks=0
    [ "${OUTRIGGER_INDEX:-0}" -gt "$OUTRIGGER_HIGHEST_INDEX" ] && OUTRIGGER_HIGHEST_INDEX=$OUTRIGGER_INDEX
    return 0
  fi
  case $OUTRIGGER_CODE in
    CONNECTION_LOST | NOT_SENT | SHUTTING_DOWN) _o_leave ;;
    APP_ABSENT | NO_SPACE) _o_setbacks=3 ;;
    OVERLOADED | TIMEOUT | LEADER_LOST | INTERNAL) _o_setbacks=$((_o_setbacks + 1)) ;;
  esac
  case $_o_addresses in *' '*) [ "$_o_setbacks" -lt 3 ] || _o_leave ;; esac
  return $_o_how
}

# Reads frames until the one that answers. A node that is silent for a second longer than a try is given up: socat sees to that.
_o_answer() { # ID
  while IFS= read -r _o_frame <&9; do
    _o_what='' _o_id=0
    eval "$(printf '%s\n' "$_o_frame" | jq -r --argjson wanted "$1" '
      def text: . // "" | tostring | @sh;
      to_entries[0] as {key: $what, value: $body}
      | ($body.id // 0 | tonumber) as $id
      | "_o_what=\($what | text) _o_id=\($id | text)"
      + if $what == "welcome" then " OUTRIGGER_NODE=\($body.node | text) _o_met=\($body.cluster | text)"
          + " _o_largest=\($body.limits.commandBytes // 0 | text)"
        elif $what == "pressure" then " _o_stop=\(if $body.level == "STOP" then "STOP" else "" end | text)"
        elif $id != $wanted then ""
        elif $what == "error" then
          " OUTRIGGER_CODE=\($body.code | text) OUTRIGGER_MESSAGE=\($body.message | text) _o_after=\($body.retryAfterMs | text)"
          + " _o_definite=\($body.definite // false | tostring | @sh)"
        else
          " OUTRIGGER_INDEX=\($body.index | text) OUTRIGGER_TERM=\($body.term | text) OUTRIGGER_DUPLICATE=\($body.duplicate | text)"
          + " OUTRIGGER_RESULT_LOST=\($body.resultLost | text) OUTRIGGER_RESULT=\($body.result // "" | @base64d | @sh)"
          + (if $body.session then " _o_session=\($body.session | text)" else "" end)
        end' 2>/dev/null)"
    case $_o_what in
      error) [ "$_o_id" = "$1" ] && [ "$_o_definite" = true ] && return 1; [ "$_o_id" = "$1" ] && return 2 ;;
      welcome) [ "$1" = 0 ] && return 0 ;;
      '') break ;; # not a frame
      *) [ "$1" != 0 ] && [ "$_o_id" = "$1" ] && return 0 ;;
    esac
  done
  _o_fail CONNECTION_LOST false 'the node closed the connection, or was silent for too long'
}

# The connection that there is; else node after node is dialled until one welcomes us.
_o_reach() {
  [ -z "$_o_pid" ] || return 0
  _o_refusals=0
  while :; do
    # The first failure costs nothing: the next node is dialled at once.
    if [ "$_o_fails" -gt 1 ] && { _o_backoff $((_o_fails - 1)) && ! _o_sleep "$_o_ms"; }; then
      _o_fail NOT_SENT true 'no node was reached in time' || return
    fi
    _o_dial "${_o_addresses%% *}"
    if _o_answer 0; then
      if [ "${_o_cluster:=$_o_met}" = "$_o_met" ]; then return 0; fi
      _o_fail WRONG_CLUSTER true "$OUTRIGGER_NODE is a node of $_o_met, not of $_o_cluster"
    fi
    _o_leave
    # May it welcome us a moment later? When no node may, waiting is in vain.
    case $_o_definite:$OUTRIGGER_CODE in
      false:* | true:OVERLOADED) _o_refusals=0 ;;
      *) _o_refusals=$((_o_refusals + 1)) ;;
    esac
    # shellcheck disable=SC2086 # they have no spaces
    set -- $_o_addresses
    [ "$_o_refusals" -lt $# ] || return 1
  done
}

_o_dial() { # ADDRESS
  case $1 in
    tcp://*,*) _o_at=TCP:${1#tcp://} _o_at=${_o_at%%,*} _o_token=",\"token\":$(jq -nc --arg token "${1#*,}" '$token')" ;;
    *) _o_at=UNIX-CONNECT:$1 _o_token='' ;;
  esac
  rm -f "$_o_dir/to" "$_o_dir/from"
  mkfifo "$_o_dir/to" "$_o_dir/from"
  socat -T $((OUTRIGGER_TRY_S + 1)) "$_o_at" - <"$_o_dir/to" >"$_o_dir/from" 2>/dev/null &
  _o_pid=$! _o_stop=''
  exec 8>"$_o_dir/to" 9<"$_o_dir/from"
  printf '{"hello":{"protocol":1,"app":"outrigger-shell"%s}}\n' "$_o_token" 2>/dev/null >&8
}

_o_leave() {
  _o_hang_up
  _o_fails=$((_o_fails + 1)) _o_setbacks=0
  # shellcheck disable=SC2086
  set -- $_o_addresses
  _o_at=$1
  shift
  _o_addresses="$*${1:+ }$_o_at"
}

_o_hang_up() {
  [ -n "$_o_pid" ] || return 0
  exec 8>&- 9<&-
  kill "$_o_pid" 2>/dev/null
  wait "$_o_pid" 2>/dev/null
  _o_pid=''
}

# Returns what the functions return.
_o_fail() { # CODE DEFINITE MESSAGE
  OUTRIGGER_CODE=$1 _o_definite=$2 OUTRIGGER_MESSAGE=$3 _o_after=''
  [ "$2" = true ] && return 1
  return 2
}
