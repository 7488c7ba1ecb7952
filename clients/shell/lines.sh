#!/bin/sh
# Proposes each line of standard input, in one session: each takes effect once, whatever dies meanwhile.
#
#     ./lines.sh [--once] /run/n1.sock /run/n2.sock tcp://127.0.0.1:7001,TOKEN
#
# Prints `INDEX RESULT` for each, or `! KIND CODE: message`. With --once, without a session: nothing is tried again whose outcome is
# unknown.
set -u
. "$(dirname "$0")/outrigger.sh"

propose=outrigger_propose_in_session
if [ "${1:-}" = --once ]; then
  propose=outrigger_propose
  shift
fi

fail() {
  printf '%s: %s\n' "$OUTRIGGER_CODE" "$OUTRIGGER_MESSAGE" >&2
  exit 1
}

trap outrigger_close EXIT
outrigger_connect "$@" || fail
[ $propose = outrigger_propose ] || outrigger_open_session || fail

while IFS= read -r line; do
  $propose "$line"
  case $? in
    0) printf '%s %s\n' "$OUTRIGGER_INDEX" "$OUTRIGGER_RESULT" ;;
    1) printf '! definite %s: %s\n' "$OUTRIGGER_CODE" "$OUTRIGGER_MESSAGE" ;;
    3) printf '! session-lost %s: %s\n' "$OUTRIGGER_CODE" "$OUTRIGGER_MESSAGE" ;;
    *) printf '! unknown %s: %s\n' "$OUTRIGGER_CODE" "$OUTRIGGER_MESSAGE" ;;
  esac
done

[ $propose = outrigger_propose ] || outrigger_close_session || fail
outrigger_read "$OUTRIGGER_HIGHEST_INDEX" || fail
echo "the app beside $OUTRIGGER_NODE holds all of them: it has applied $OUTRIGGER_INDEX" >&2
