// Package outrigger talks to an Outrigger cluster: proposals, reads and sessions at any of its nodes, or at a gateway.
//
// It has two layers. A Link is one connection; an app that holds the replicated state uses it for that too (examples/go-kv).
// A Client stays with one of several nodes for as long as that answers, and tries again what may be tried again: README.md has
// the rules. Both may be used by any number of goroutines.
package outrigger

//go:generate protoc -I ../../shared/proto --go_out=wire --go_opt=paths=source_relative --go_opt=Mapp.proto=outrigger.dev/clients/go/wire app.proto

import (
	"fmt"
	"time"
)

// Error says that a request failed. Definite: it did not and will not happen. Otherwise it may have happened, or may still
// happen. Branch on that and not on Code: new codes may come. The package's own are NOT_SENT, CONNECTION_LOST, WRONG_CLUSTER, CLOSED.
type Error struct {
	Code       string
	Definite   bool
	Message    string
	Leader     string        // who leads, where the node knows and it matters
	RetryAfter time.Duration // 0 where the node does not say
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func definite(code, format string, args ...any) *Error {
	return &Error{Code: code, Definite: true, Message: fmt.Sprintf(format, args...)}
}

func indefinite(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Limits of this client, each with what happens at it.
const (
	callFor         = 10 * time.Second       // a call whose context has no deadline; it ends as after a deadline
	tryFor          = 3 * time.Second        // one try of what may be tried again; then it is tried again
	tryGrace        = 500 * time.Millisecond // what a node has to say TIMEOUT by itself; silent, it is left
	dialFor         = 2 * time.Second        // from dialling to the welcome; then the next node is dialled
	writeFor        = 20 * time.Second       // a node that takes no bytes for so long is left
	backoffMin      = 50 * time.Millisecond  // pause after failures in a row, doubled up to
	backoffMax      = time.Second            // this, less up to half by chance
	retryAfterMax   = 5 * time.Second        // a node may ask for more; we come back after this
	failuresToMove  = 3                      // in a row, of a node that answers; then it is left
	frameBytes      = 8 << 20                // of one frame from a node; the connection is given up
	sessionFor      = time.Minute            // a session's time to live where the caller names none
	keepsPerSession = 3                      // times that a silent session is kept alive in its time to live
)
