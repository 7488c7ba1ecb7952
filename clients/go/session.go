package outrigger

import (
	"context"
	"errors"
	"time"

	"outrigger.dev/clients/go/wire"
)

// Session makes trying again safe: a command takes effect once, however often it is sent and wherever. One command after the
// other; calls of several goroutines take turns. It is kept alive in the background until it is closed.
type Session struct {
	client *Client
	id     uint64
	turn   chan struct{} // held by whoever is in a call; guards what follows
	next   uint64        // the sequence of the next command
	held   *held         // what a caller has given up waiting for, and still occupies its sequence
	used   time.Time     // when the cluster last heard of the session
	gone   bool
	closed chan struct{}
}

type held struct {
	command []byte
	maybe   bool // an earlier try may have been taken
}

// SessionLost says that the session is gone, and with it the knowledge of what it did not answer. Definite: *this* command
// surely did not happen. Whatever is done next needs another session.
type SessionLost struct{ Cause *Error }

func (e *SessionLost) Error() string { return e.Cause.Error() }
func (e *SessionLost) Unwrap() error { return e.Cause }

// OpenSession opens a session that ends by itself when nobody kept it alive for `ttl` (0: a minute).
func (c *Client) OpenSession(ctx context.Context, ttl time.Duration) (*Session, error) {
	if ttl == 0 {
		ttl = sessionFor
	}
	ttlMs := uint32(ttl.Milliseconds())
	frame, _, err := c.call(ctx, false, func(id uint64, _ uint32) *wire.AppFrame {
		return &wire.AppFrame{Frame: &wire.AppFrame_OpenSession{OpenSession: &wire.OpenSession{Id: id, TtlMs: &ttlMs}}}
	})
	if err != nil {
		return nil, err
	}
	s := &Session{
		client: c, id: frame.GetSessionOpened().GetSession(), next: 1, used: time.Now(),
		turn: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	go s.keep(ttl / keepsPerSession)
	return s, nil
}

// Propose sends the command until it is answered. When the context ends first and some try may have been taken, the error is not
// definite: the session keeps the command under its number, and settles it before whatever is proposed next.
func (s *Session) Propose(ctx context.Context, command []byte) (*Proposed, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	if s.held != nil {
		if _, err := s.settle(ctx); err != nil && asError(err).Code != "SKIPPED" {
			return nil, s.instead(err)
		}
	}
	s.held = &held{command: command}
	return s.settle(ctx)
}

// Close ends the session. What it holds stays unknown.
func (s *Session) Close(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return nil // it is gone already
	}
	defer s.end()
	s.gone = true
	close(s.closed)
	_, _, err := s.client.call(ctx, false, func(id uint64, _ uint32) *wire.AppFrame {
		return &wire.AppFrame{Frame: &wire.AppFrame_CloseSession{CloseSession: &wire.CloseSession{Id: id, Session: s.id}}}
	})
	if err != nil && asError(err).Code != "SESSION_UNKNOWN" {
		return err
	}
	return nil
}

// settle sends what is held, always under the same sequence, until it is answered or surely refused.
func (s *Session) settle(ctx context.Context) (*Proposed, error) {
	sequence := s.next
	for tries := 1; ; tries++ {
		done, err := s.client.propose(ctx, false, &wire.Propose{
			Command: s.held.command, Session: &s.id, Sequence: &sequence, AckBelow: &sequence,
		})
		if err == nil {
			s.held, s.used = nil, time.Now()
			s.next++
			return done, nil
		}
		e := asError(err)
		switch {
		case e.Code == "SESSION_UNKNOWN":
			return nil, s.lost(e, !s.held.maybe)
		case e.Code == "SKIPPED": // an operator's answer: the number is used, and no app was given the command
			s.held = nil
			s.next++
			return nil, e
		case !e.Definite:
			s.held.maybe = true
		case !s.held.maybe && !passes(e) && e.Code != "SEQUENCE_GAP":
			s.held = nil // every try was refused: the number is free
			return nil, e
		}
		if !sleep(ctx, pause(e, tries)) {
			if s.held.maybe {
				return nil, indefinite("TIMEOUT", "command %d of session %d was not answered in time; the session holds it", sequence, s.id)
			}
			s.held = nil
			return nil, e
		}
	}
}

// instead: an error of the command that was held before is not one of the command that now could not be sent.
func (s *Session) instead(err error) error {
	e := *asError(err)
	e.Definite = true
	if s.gone {
		return &SessionLost{&e}
	}
	e.Code, e.Message = "NOT_SENT", "an earlier command of the session is still unsettled: "+e.Message
	return &e
}

func (s *Session) lost(e *Error, sure bool) error {
	s.gone = true
	what := "; whether this command took effect is unknown"
	if sure {
		what = "; this command was not taken"
	}
	return &SessionLost{&Error{Code: e.Code, Definite: sure, Message: e.Message + what}}
}

func (s *Session) begin(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return definite("NOT_SENT", "an earlier command of the session is not answered yet")
	}
	if s.gone {
		s.end()
		return &SessionLost{definite("SESSION_UNKNOWN", "session %d is closed or lost; this command was not taken", s.id)}
	}
	return nil
}

func (s *Session) end() { <-s.turn }

// keep tells the cluster that an idle session is still in use.
func (s *Session) keep(every time.Duration) {
	for {
		select {
		case <-s.closed:
			return
		case <-time.After(every):
		}
		ctx, cancel := context.WithTimeout(context.Background(), every)
		err := s.begin(ctx)
		if err == nil {
			if time.Since(s.used) >= every {
				err = s.keepOnce(ctx)
			}
			s.end()
		}
		cancel()
		if e := new(SessionLost); errors.As(err, &e) || (err != nil && asError(err).Code == "CLOSED") {
			return
		}
	}
}

func (s *Session) keepOnce(ctx context.Context) error {
	asked := time.Now()
	_, _, err := s.client.call(ctx, false, func(id uint64, _ uint32) *wire.AppFrame {
		return &wire.AppFrame{Frame: &wire.AppFrame_KeepSession{KeepSession: &wire.KeepSession{Id: id, Session: s.id}}}
	})
	if err == nil {
		s.used = asked
	} else if asError(err).Code == "SESSION_UNKNOWN" {
		return s.lost(asError(err), true) // the next call says so
	}
	return err
}
