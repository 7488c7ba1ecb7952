package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"sync"
	"time"

	outrigger "outrigger.dev/clients/go"
	"outrigger.dev/clients/go/wire"
)

const checkEvery = 100 // at indexes that are multiples of this, every copy says what its state is like

// replica keeps the machine in step with the log, over the one connection that all requests share.
type replica struct {
	path string

	mu      sync.RWMutex // guards what follows
	machine *machine
	applied uint64          // the index up to which everything is applied
	link    *outrigger.Link // nil until the sidecar has welcomed us

	// What follows belongs to the goroutine that reads.
	hash    []byte // of the log at `applied`; nil after a restore
	checked uint64 // the last index at which we looked at our state
	check   *wire.StateHash
	wanted  *uint64 // the index that takeSnapshot named, until we have applied it
	coming  *wire.RestoreBegin
	data    bytes.Buffer // of the snapshot that comes

	shipping sync.Mutex // one snapshot after the other
}

// reset takes over a state as of that index. No hash is known there: the next `entries` bring one.
func (r *replica) reset(state map[string]string, index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machine, r.applied = newMachine(state), index
	r.hash, r.checked, r.check = nil, index, nil
}

// follow stays connected for ever. The state outlives the connection: after a sidecar restart we ask only for what came since.
// (Had the app restarted, `applied` would be 0, and the sidecar would send a snapshot or the whole log.)
func (r *replica) follow() {
	for {
		r.serve() // an error says that the sidecar is not there (yet, or any more): try again
		r.setLink(nil)
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *replica) serve() error {
	hello := &wire.Hello{Protocol: 1, App: "go-kv", StateMachine: &wire.StateMachine{
		AppliedIndex: r.applied, AppliedHash: r.hash, Snapshots: wire.StateMachine_BLOB,
	}}
	link, err := outrigger.Open(context.Background(), outrigger.Address{At: r.path}, hello)
	if err != nil {
		return err
	}
	r.wanted, r.coming = nil, nil
	return link.Run(func(frame *wire.SidecarFrame) error { return r.take(link, frame) })
}

// take handles what is not the answer to a request. An error ends the connection.
func (r *replica) take(link *outrigger.Link, frame *wire.SidecarFrame) error {
	switch f := frame.Frame.(type) {
	case *wire.SidecarFrame_Welcome:
		r.setLink(link) // from here on requests may use it
	case *wire.SidecarFrame_Entries:
		return r.apply(link, f.Entries)
	case *wire.SidecarFrame_TakeSnapshot:
		r.wanted = &f.TakeSnapshot.Index
		r.freeze(link)
	case *wire.SidecarFrame_RestoreBegin:
		r.coming = f.RestoreBegin
		r.data.Reset()
	case *wire.SidecarFrame_RestoreChunk:
		r.data.Write(f.RestoreChunk.Data)
	case *wire.SidecarFrame_RestoreEnd:
		return r.restore(link, f.RestoreEnd)
	case *wire.SidecarFrame_Error:
		log.Printf("sidecar: %s: %s", f.Error.Code, f.Error.Message)
		if f.Error.Code == "APP_AHEAD" || f.Error.Code == "APP_DIVERGED" {
			r.reset(map[string]string{}, 0) // our state is not this log's; it is only in memory, so starting over costs nothing
		}
	case *wire.SidecarFrame_Goodbye:
		if f.Goodbye.GetReason() == "SUPERSEDED" {
			log.Print("another copy of this app took over")
			os.Exit(1) // two copies that push each other out would never end
		}
		return errors.New("the sidecar said goodbye") // and we say hello again; so do we after RESTORE, to be given a snapshot
	}
	return nil
}

// apply takes a stretch of the committed log. One acknowledgement for all of it keeps this fast; `through` also covers entries
// that are not ours to see.
func (r *replica) apply(link *outrigger.Link, batch *wire.Entries) error {
	answer := &wire.Applied{Through: batch.Through}
	r.mu.Lock()
	for _, entry := range batch.Entries {
		r.look(entry.Index - 1)
		answer.Results = append(answer.Results, &wire.Result{Index: entry.Index, Result: r.machine.execute(entry.Command)})
	}
	r.applied, r.hash = batch.Through, batch.Hash
	r.look(r.applied)
	r.mu.Unlock()
	answer.StateHash, r.check = r.check, nil
	if err := link.Send(&wire.AppFrame{Frame: &wire.AppFrame_Applied{Applied: answer}}); err != nil {
		return err
	}
	r.freeze(link)
	return nil
}

// look: everything up to `index` is applied, and nothing later.
func (r *replica) look(index uint64) {
	if at := index - index%checkEvery; at > r.checked {
		r.checked = at
		r.check = &wire.StateHash{Index: at, Hash: r.machine.digest()}
	}
}

// freeze copies the state for a snapshot, once it is as new as was asked for. Only what was acknowledged may be in it, so this
// comes after `applied`; and it is sent by a goroutine of its own, so entries go on meanwhile.
func (r *replica) freeze(link *outrigger.Link) {
	if r.wanted != nil && r.applied >= *r.wanted {
		r.wanted = nil
		go r.ship(link, r.applied, maps.Clone(r.machine.state))
	}
}

// ship stops at the first error: the connection is gone then, and with it whoever asked.
func (r *replica) ship(link *outrigger.Link, index uint64, state map[string]string) {
	r.shipping.Lock()
	defer r.shipping.Unlock()
	begin := &wire.SnapshotBegin{Index: index, Format: format}
	if link.Send(&wire.AppFrame{Frame: &wire.AppFrame_SnapshotBegin{SnapshotBegin: begin}}) != nil {
		return
	}
	whole := sha256.New()
	for data := range chunks(state) {
		whole.Write(data)
		chunk := &wire.SnapshotChunk{Data: data}
		if link.Send(&wire.AppFrame{Frame: &wire.AppFrame_SnapshotChunk{SnapshotChunk: chunk}}) != nil {
			return
		}
	}
	end := &wire.SnapshotEnd{Sha256: whole.Sum(nil)}
	_ = link.Send(&wire.AppFrame{Frame: &wire.AppFrame_SnapshotEnd{SnapshotEnd: end}})
}

// restore takes over a state that another copy has sent, all of it or nothing: until here ours was untouched.
func (r *replica) restore(link *outrigger.Link, end *wire.RestoreEnd) error {
	state, err := r.received(end)
	r.data = bytes.Buffer{}
	if err != nil {
		refused := &wire.RestoreRefused{Reason: err.Error()}
		return link.Send(&wire.AppFrame{Frame: &wire.AppFrame_RestoreRefused{RestoreRefused: refused}})
	}
	r.reset(state, r.coming.Index)
	restored := &wire.Restored{Index: r.coming.Index}
	return link.Send(&wire.AppFrame{Frame: &wire.AppFrame_Restored{Restored: restored}})
}

func (r *replica) received(end *wire.RestoreEnd) (map[string]string, error) {
	if r.coming.GetFormat() != format {
		return nil, fmt.Errorf("unknown format %q", r.coming.GetFormat())
	}
	if sum := sha256.Sum256(r.data.Bytes()); !bytes.Equal(sum[:], end.Sha256) {
		return nil, errors.New("the bytes do not have their sha256")
	}
	return parse(r.data.Bytes())
}

func (r *replica) setLink(link *outrigger.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = link
}

// ask sends one request and waits for its answer; others do the same at the same time on the same connection.
func (r *replica) ask(ctx context.Context, build func(id uint64) *wire.AppFrame) (*wire.SidecarFrame, error) {
	r.mu.RLock()
	link := r.link
	r.mu.RUnlock()
	if link == nil {
		return nil, &outrigger.Error{Code: "SIDECAR_ABSENT", Definite: true, Message: "not connected to the sidecar"}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return link.Ask(ctx, build)
}
