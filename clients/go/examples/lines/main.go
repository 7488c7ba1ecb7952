// Proposes each line of standard input, in one session: each takes effect once, whatever dies meanwhile.
//
//	go run ./examples/lines [--once] /run/n1.sock /run/n2.sock tcp://127.0.0.1:7001,TOKEN
//
// Prints `INDEX RESULT` for each, or `! KIND CODE: message`. With --once, without a session: nothing is tried again whose outcome
// is unknown.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	outrigger "outrigger.dev/clients/go"
)

const timeout = time.Minute

func main() {
	log.SetFlags(0)
	once := flag.Bool("once", false, "without a session")
	flag.Parse()
	if err := run(*once, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(once bool, args []string) error {
	var addresses []outrigger.Address
	for _, arg := range args {
		at, token, _ := strings.Cut(arg, ",")
		addresses = append(addresses, outrigger.Address{At: at, Token: token})
	}
	cluster, err := outrigger.Connect(context.Background(), addresses...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	propose := cluster.Propose
	if !once {
		session, err := cluster.OpenSession(context.Background(), time.Minute)
		if err != nil {
			return err
		}
		defer session.Close(context.Background())
		propose = session.Propose
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		done, err := propose(ctx, []byte(lines.Text()))
		cancel()
		if err != nil {
			fmt.Printf("! %s %v\n", kind(err), err)
		} else {
			fmt.Printf("%d %s\n", done.Index, done.Result)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	node, index, err := cluster.ReadAtLeast(context.Background(), cluster.HighestIndex())
	if err != nil {
		return err
	}
	log.Printf("the app beside %s holds all of them: it has applied %d", node, index)
	return nil
}

func kind(err error) string {
	var lost *outrigger.SessionLost
	var e *outrigger.Error
	switch {
	case errors.As(err, &lost):
		return "session-lost"
	case errors.As(err, &e) && e.Definite:
		return "definite"
	}
	return "unknown"
}
