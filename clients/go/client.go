package outrigger

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"outrigger.dev/clients/go/wire"
)

// Client stays with one node for as long as that answers, then goes to the next one.
type Client struct {
	addresses []Address
	dialling  chan struct{} // held by the one goroutine that dials

	mu       sync.Mutex // guards what follows
	link     *Link
	node     string // that the link goes to
	cluster  string // of the first welcome; no other one is accepted
	at       int    // the next address to dial
	fails    int    // to reach a node, in a row
	setbacks int    // of a node that answers, in a row
	highest  uint64
	closed   bool
}

// Proposed says what a command did.
type Proposed struct {
	Index, Term uint64
	Result      []byte // what the app answered
	Duplicate   bool   // an earlier try took effect: this is its answer
	ResultLost  bool   // it took effect, and the node no longer has its result
	Node        string // that answered
}

// Connect returns when one of these nodes has welcomed us. They are dialled in this order.
func Connect(ctx context.Context, addresses ...Address) (*Client, error) {
	if len(addresses) == 0 {
		return nil, definite("BAD_REQUEST", "a client needs the address of a node")
	}
	c := &Client{addresses: addresses, dialling: make(chan struct{}, 1)}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, _, err := c.reach(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends the connection. Calls that wait fail, and sessions end when their time is over.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.link != nil {
		c.link.Close()
	}
}

// HighestIndex of all answers so far: hand it to whoever must see what this client has seen.
func (c *Client) HighestIndex() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.highest
}

// Propose proposes a command once. When the outcome is unknown it is not tried again, since it could happen twice: a Session can.
func (c *Client) Propose(ctx context.Context, command []byte) (*Proposed, error) {
	return c.propose(ctx, true, &wire.Propose{Command: command})
}

// Read waits until the app beside the node that answers may be read, and returns that node and the index it has applied.
// Linearizably: it has every write that was acknowledged before.
func (c *Client) Read(ctx context.Context) (node string, index uint64, err error) {
	return c.read(ctx, wire.Read_LINEARIZABLE, 0)
}

// ReadAtLeast sees everything up to that index, and asks no leader. With HighestIndex no read of this client goes back.
func (c *Client) ReadAtLeast(ctx context.Context, index uint64) (node string, applied uint64, err error) {
	return c.read(ctx, wire.Read_AT_LEAST, index)
}

func (c *Client) read(ctx context.Context, how wire.Read_Consistency, index uint64) (string, uint64, error) {
	frame, node, err := c.call(ctx, false, func(id uint64, ms uint32) *wire.AppFrame {
		return &wire.AppFrame{Frame: &wire.AppFrame_Read{Read: &wire.Read{Id: id, Consistency: how, Index: &index, TimeoutMs: &ms}}}
	})
	return node, frame.GetReadReady().GetIndex(), err
}

func (c *Client) propose(ctx context.Context, once bool, propose *wire.Propose) (*Proposed, error) {
	build := func(id uint64, ms uint32) *wire.AppFrame {
		propose.Id, propose.TimeoutMs = id, &ms
		return &wire.AppFrame{Frame: &wire.AppFrame_Propose{Propose: propose}}
	}
	call := c.call
	if !once {
		call = c.try // its session decides what is tried again
	}
	frame, node, err := call(ctx, once, build)
	if err != nil {
		return nil, err
	}
	done := frame.GetProposed()
	return &Proposed{done.GetIndex(), done.GetTerm(), done.GetResult(), done.GetDuplicate(), done.GetResultLost(), node}, nil
}

// call tries until it is answered, for as long as that is safe: after a definite refusal that passes, and, where asking twice
// changes nothing (`once` is false), after any unknown outcome.
func (c *Client) call(ctx context.Context, once bool, build func(uint64, uint32) *wire.AppFrame) (*wire.SidecarFrame, string, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for tries := 1; ; tries++ {
		frame, node, err := c.try(ctx, once, build)
		if err == nil {
			return frame, node, nil
		}
		e := asError(err)
		if again := passes(e) || (!e.Definite && !once); !again || !sleep(ctx, pause(e, tries)) {
			return nil, "", e
		}
	}
}

// try sends a request to the node that we are with, and learns from the answer whether to stay there.
func (c *Client) try(ctx context.Context, once bool, build func(uint64, uint32) *wire.AppFrame) (*wire.SidecarFrame, string, error) {
	link, node, err := c.reach(ctx)
	if err != nil {
		return nil, "", err
	}
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	if !once && left > tryFor {
		left = tryFor
		tryCtx, cancel := context.WithTimeout(ctx, tryFor+tryGrace)
		defer cancel()
		ctx = tryCtx
	}
	ms := uint32(max(1, min(left, 24*time.Hour).Milliseconds()))
	frame, err := c.ask(ctx, link, func(id uint64) *wire.AppFrame { return build(id, ms) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if link == c.link {
			c.judge(asError(err))
		}
		return nil, "", err
	}
	c.fails, c.setbacks = 0, 0
	c.highest = max(c.highest, frame.GetProposed().GetIndex(), frame.GetReadReady().GetIndex(), frame.GetSessionOpened().GetSession())
	return frame, node, nil
}

func (c *Client) ask(ctx context.Context, link *Link, build func(uint64) *wire.AppFrame) (*wire.SidecarFrame, error) {
	if _, stop := link.state(); stop && build(0).GetPropose() != nil {
		return nil, definite("OVERLOADED", "the node says STOP")
	}
	return link.Ask(ctx, build)
}

// judge leaves the node when its error says that it cannot, and another one may. `mu` is held.
func (c *Client) judge(e *Error) {
	switch e.Code {
	case "SHUTTING_DOWN":
		c.setbacks = failuresToMove
	case "APP_ABSENT", "NO_SPACE":
		if len(c.addresses) > 1 {
			c.setbacks = failuresToMove
		}
	case "OVERLOADED", "TIMEOUT", "LEADER_LOST", "INTERNAL":
		c.setbacks++
	}
	if c.setbacks >= failuresToMove && (len(c.addresses) > 1 || e.Code == "SHUTTING_DOWN") {
		c.link.Leave()
		c.link, c.setbacks = nil, 0
		c.at++
	}
}

// reach returns the connection that there is, or dials node after node until one welcomes us.
func (c *Client) reach(ctx context.Context) (*Link, string, error) {
	select {
	case c.dialling <- struct{}{}:
		defer func() { <-c.dialling }()
	case <-ctx.Done():
		return nil, "", definite("NOT_SENT", "no node was reached in time")
	}
	for refusals := 0; ; {
		c.mu.Lock()
		link, node, address, fails, closed := c.link, c.node, c.addresses[c.at%len(c.addresses)], c.fails, c.closed
		c.mu.Unlock()
		if closed {
			return nil, "", definite("CLOSED", "this client was closed")
		}
		if link != nil {
			if usable, _ := link.state(); usable {
				return link, node, nil
			}
		}
		// The first failure costs nothing: the next node is dialled at once.
		if fails > 1 && !sleep(ctx, backoff(fails-1)) {
			return nil, "", definite("NOT_SENT", "no node was reached in time")
		}
		link, welcome, err := c.dial(ctx, address)
		c.mu.Lock()
		if err == nil && c.cluster != "" && welcome.Cluster != c.cluster {
			link.Close()
			err = definite("WRONG_CLUSTER", "%s is a node of %s, not of %s", address.At, welcome.Cluster, c.cluster)
		}
		if err == nil {
			c.link, c.node, c.cluster, c.setbacks = link, welcome.Node, welcome.Cluster, 0
			c.mu.Unlock()
			return link, welcome.Node, nil
		}
		c.link = nil
		c.at++
		c.fails++
		c.mu.Unlock()
		// May it welcome us a moment later? When no node may, waiting is in vain.
		if e := new(Error); errors.As(err, &e) && e.Definite && e.Code != "OVERLOADED" {
			if refusals++; refusals >= len(c.addresses) {
				return nil, "", e
			}
		} else if refusals = 0; ctx.Err() != nil {
			return nil, "", definite("NOT_SENT", "no node was reached in time; the last said: %v", err)
		}
	}
}

// dial says hello and waits for the welcome; from then on the connection is read until it ends.
func (c *Client) dial(ctx context.Context, address Address) (*Link, *wire.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	link, err := Open(ctx, address, &wire.Hello{Protocol: 1, App: "outrigger-go"})
	if err != nil {
		return nil, nil, err
	}
	welcomed, ended := make(chan *wire.Welcome, 1), make(chan error, 1)
	go func() {
		var why error
		err := link.Run(func(frame *wire.SidecarFrame) error {
			switch f := frame.Frame.(type) {
			case *wire.SidecarFrame_Welcome:
				welcomed <- f.Welcome
			case *wire.SidecarFrame_Error:
				why = refusal(f.Error) // of the connection, not of a request
			case *wire.SidecarFrame_Goodbye:
				c.leave(link)
			}
			return nil
		})
		c.leave(link)
		if why != nil {
			err = why
		}
		ended <- err
	}()
	select {
	case welcome := <-welcomed:
		return link, welcome, nil
	case err := <-ended:
		return nil, nil, err
	case <-ctx.Done():
		link.Close()
		return nil, nil, definite("NOT_SENT", "%s did not welcome us in time", address.At)
	}
}

func (c *Client) leave(link *Link) {
	link.Leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == link {
		c.link = nil
		c.at++
		c.fails++
	}
}

// passes: surely not done, and worth another try by itself.
func passes(e *Error) bool {
	return e.Definite && (e.Code == "OVERLOADED" || e.Code == "APP_ABSENT" || e.Code == "NO_SPACE" || e.Code == "NOT_SENT" || e.RetryAfter > 0)
}

func pause(e *Error, tries int) time.Duration {
	switch {
	case e.RetryAfter > 0:
		return min(e.RetryAfter, retryAfterMax)
	case e.Code == "CONNECTION_LOST" || e.Code == "SHUTTING_DOWN":
		return 0 // at another node, which has its own pause
	}
	return backoff(tries)
}

// backoff: from half of the doubled pause to all of it, so that clients that failed together do not come back together.
func backoff(failures int) time.Duration {
	full := min(backoffMax, backoffMin<<min(failures-1, 10))
	return full/2 + rand.N(full/2)
}

// sleep says whether there is time left afterwards.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, callFor)
}

func asError(err error) *Error {
	if e := new(Error); errors.As(err, &e) {
		return e
	}
	return indefinite("INTERNAL", "%v", err)
}
