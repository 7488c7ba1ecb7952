package outrigger

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"

	"outrigger.dev/clients/go/wire"
)

// Address is where a node's app socket is: a path, or tcp://HOST:PORT with the token of its `write` scope.
type Address struct{ At, Token string }

// Link is one connection to one node.
type Link struct {
	conn    net.Conn
	sending sync.Mutex // keeps frames whole

	mu      sync.Mutex // guards what follows
	open    map[uint64]chan *wire.SidecarFrame
	last    uint64    // the number of the newest request
	heard   time.Time // when the node last said something
	ended   error     // why nothing more comes
	left    bool      // it is closed when nothing is open any more
	stopped bool      // the node says STOP: no proposals now
	largest uint32    // bytes that a command may have, once the node has said so
}

// Open dials a node and says hello. Nothing is read until Run.
func Open(ctx context.Context, address Address, hello *wire.Hello) (*Link, error) {
	network, at := "unix", address.At
	if rest, ok := strings.CutPrefix(at, "tcp://"); ok {
		network, at = "tcp", rest
		hello.Token = &address.Token
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, at)
	if err != nil {
		return nil, err
	}
	link := &Link{conn: conn, open: map[uint64]chan *wire.SidecarFrame{}}
	if _, err = conn.Write([]byte("OUTRIG/1")); err == nil {
		err = link.Send(&wire.AppFrame{Frame: &wire.AppFrame_Hello{Hello: hello}})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return link, nil
}

// Run reads until the connection ends, and says why it did. Answers go to whoever asked, everything else to `handle`;
// an error of `handle` ends the connection. Requests that are open at the end fail with CONNECTION_LOST.
func (l *Link) Run(handle func(*wire.SidecarFrame) error) error {
	reader := bufio.NewReaderSize(l.conn, 64<<10)
	options := protodelim.UnmarshalOptions{MaxSize: frameBytes}
	var err error
	for err == nil {
		frame := &wire.SidecarFrame{}
		if err = options.UnmarshalFrom(reader, frame); err != nil {
			break
		}
		l.heed(frame)
		if !l.answer(frame) {
			err = handle(frame)
		}
	}
	l.conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = err
	for id, answer := range l.open {
		close(answer)
		delete(l.open, id)
	}
	return err
}

// Send writes one frame.
func (l *Link) Send(frame *wire.AppFrame) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(writeFor))
	if _, err := protodelim.MarshalTo(l.conn, frame); err != nil {
		l.conn.Close() // half a frame may have left: nothing can follow it
		return err
	}
	return nil
}

// Ask sends the request that `build` makes with its number, and waits for the answer. Errors are always *Error.
func (l *Link) Ask(ctx context.Context, build func(id uint64) *wire.AppFrame) (*wire.SidecarFrame, error) {
	answer := make(chan *wire.SidecarFrame, 1)
	asked := time.Now()
	l.mu.Lock()
	if l.ended != nil || l.left {
		l.mu.Unlock()
		return nil, definite("NOT_SENT", "the connection is closed")
	}
	l.last++
	id, largest := l.last, int(l.largest)
	l.open[id] = answer
	l.mu.Unlock()
	defer l.forget(id)

	request := build(id)
	// The node would refuse it as well; and one too large for a frame would cost the connection, with all that is open.
	if bytes := len(request.GetPropose().GetCommand()); largest > 0 && bytes > largest {
		return nil, definite("TOO_LARGE", "the command has %d bytes, over the node's limit of %d", bytes, largest)
	}
	// An error here is not definite: some of it may have left. Run notices it too, and answers.
	_ = l.Send(request)
	select {
	case frame, ok := <-answer:
		if !ok {
			return nil, indefinite("CONNECTION_LOST", "the connection broke: %v", l.why())
		}
		if e := frame.GetError(); e != nil {
			return nil, refusal(e)
		}
		return frame, nil
	case <-ctx.Done():
		l.mu.Lock()
		silent := l.heard.Before(asked)
		l.mu.Unlock()
		if silent && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			l.Close()
		}
		return nil, indefinite("TIMEOUT", "no answer: %v", ctx.Err())
	}
}

// Leave closes the connection as soon as what is open was answered.
func (l *Link) Leave() {
	l.mu.Lock()
	l.left = true
	idle := len(l.open) == 0
	l.mu.Unlock()
	if idle {
		l.Close()
	}
}

// Close ends it at once.
func (l *Link) Close() { l.conn.Close() }

func (l *Link) forget(id uint64) {
	l.mu.Lock()
	delete(l.open, id)
	idle := l.left && len(l.open) == 0
	l.mu.Unlock()
	if idle {
		l.Close()
	}
}

func (l *Link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// usable says whether requests may go here, and saysStop whether proposals may not.
func (l *Link) state() (usable, saysStop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended == nil && !l.left, l.stopped
}

// heed learns from what a node says to everybody.
func (l *Link) heed(frame *wire.SidecarFrame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch f := frame.Frame.(type) {
	case *wire.SidecarFrame_Welcome:
		l.largest = f.Welcome.GetLimits().GetCommandBytes()
	case *wire.SidecarFrame_Pressure:
		l.stopped = f.Pressure.Level == wire.Pressure_STOP
	}
}

func (l *Link) answer(frame *wire.SidecarFrame) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = time.Now()
	id := numberOf(frame)
	if answer, ok := l.open[id]; ok {
		delete(l.open, id)
		answer <- frame
		return true
	}
	return id != 0 // whoever asked has given up
}

func numberOf(frame *wire.SidecarFrame) uint64 {
	switch f := frame.Frame.(type) {
	case *wire.SidecarFrame_Proposed:
		return f.Proposed.Id
	case *wire.SidecarFrame_ReadReady:
		return f.ReadReady.Id
	case *wire.SidecarFrame_SessionOpened:
		return f.SessionOpened.Id
	case *wire.SidecarFrame_SessionKept:
		return f.SessionKept.Id
	case *wire.SidecarFrame_SessionClosed:
		return f.SessionClosed.Id
	case *wire.SidecarFrame_Error:
		return f.Error.GetId()
	}
	return 0
}

func refusal(e *wire.Error) *Error {
	return &Error{
		Code: e.Code, Definite: e.Definite, Message: e.Message, Leader: e.GetLeader(),
		RetryAfter: time.Duration(e.GetRetryAfterMs()) * time.Millisecond,
	}
}
