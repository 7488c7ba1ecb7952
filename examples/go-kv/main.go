// A replicated key-value server beside an Outrigger sidecar.
//
// A write is not done here, it is proposed. The sidecar replicates it and gives it back, on every node in the same order, and only
// then machine.execute changes the state. README.md has the requests.
//
// Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (default: any free port).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	outrigger "outrigger.dev/clients/go"
	"outrigger.dev/clients/go/wire"
)

func main() {
	log.SetFlags(0)
	path := os.Getenv("OUTRIGGER_SOCKET")
	if path == "" {
		log.Fatal("set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- ./kv`")
	}
	port := os.Getenv("KV_PORT")
	if port == "" {
		port = "0"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		log.Fatal(err)
	}
	r := &replica{path: path}
	r.reset(map[string]string{}, 0)
	go r.follow()
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, server{r}))
}

type server struct{ *replica }

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/")
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		err = s.get(w, r, key)
	case http.MethodPut:
		err = s.put(w, r, key)
	case http.MethodDelete:
		err = s.propose(w, r.Context(), map[string]string{"op": "delete", "key": key})
	default:
		err = badRequest("PUT, GET and DELETE")
	}
	if err != nil {
		refuse(w, err)
	}
}

func (s server) get(w http.ResponseWriter, r *http.Request, key string) error {
	if key == "_dump" {
		s.mu.RLock()
		defer s.mu.RUnlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"appliedIndex": %d, "state": `, s.applied)
		for data := range chunks(s.machine.state) {
			w.Write(data)
		}
		io.WriteString(w, "}")
		return nil
	}
	read := &wire.Read{}
	if how := r.URL.Query().Get("consistency"); how != "" {
		value, ok := wire.Read_Consistency_value[how]
		if !ok {
			return badRequest("no such consistency")
		}
		read.Consistency = wire.Read_Consistency(value)
	}
	if text := r.URL.Query().Get("index"); text != "" {
		index, err := strconv.ParseUint(text, 10, 53)
		if err != nil {
			return badRequest("index is a number")
		}
		read.Index = &index
	}
	_, err := s.ask(r.Context(), func(id uint64) *wire.AppFrame {
		read.Id = id
		return &wire.AppFrame{Frame: &wire.AppFrame_Read{Read: read}}
	})
	if err != nil {
		return err
	}
	// Our state is now as fresh as was asked for.
	s.mu.RLock()
	value, found := s.machine.state[key]
	applied := s.applied
	s.mu.RUnlock()
	w.Header().Set("X-Index", strconv.FormatUint(applied, 10))
	if !found {
		w.WriteHeader(http.StatusNotFound)
	}
	io.WriteString(w, value)
	return nil
}

func (s server) put(w http.ResponseWriter, r *http.Request, key string) error {
	value, err := io.ReadAll(r.Body)
	if err != nil {
		return badRequest("the body did not come")
	}
	if !utf8.Valid(value) || !utf8.ValidString(key) {
		return badRequest("keys and values are UTF-8 text")
	}
	return s.propose(w, r.Context(), map[string]string{"op": "put", "key": key, "value": string(value)})
}

// propose answers when the command is on a majority of disks and applied here.
func (s server) propose(w http.ResponseWriter, ctx context.Context, request map[string]string) error {
	command, err := json.Marshal(request)
	if err != nil {
		return err
	}
	frame, err := s.ask(ctx, func(id uint64) *wire.AppFrame {
		return &wire.AppFrame{Frame: &wire.AppFrame_Propose{Propose: &wire.Propose{Id: id, Command: command}}}
	})
	if err != nil {
		return err
	}
	done := frame.GetProposed()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Index", strconv.FormatUint(done.GetIndex(), 10))
	// What execute answered, with the index before it.
	fmt.Fprintf(w, `{"index": %d, %s`, done.GetIndex(), strings.TrimPrefix(string(done.GetResult()), "{"))
	return nil
}

// refuse: a definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened.
func refuse(w http.ResponseWriter, err error) {
	e := &outrigger.Error{Code: "INTERNAL", Message: err.Error()}
	errors.As(err, &e)
	status := http.StatusGatewayTimeout
	if e.Definite {
		switch e.Code {
		case "BAD_REQUEST":
			status = http.StatusBadRequest
		case "TOO_LARGE":
			status = http.StatusRequestEntityTooLarge
		default:
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code": %s, "definite": %t, "message": %s}`, quote(e.Code), e.Definite, quote(e.Message))
}

func badRequest(message string) error {
	return &outrigger.Error{Code: "BAD_REQUEST", Definite: true, Message: message}
}
