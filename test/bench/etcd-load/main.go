// Command etcd-load is the etcd side of `npm run bench`: the closed loop of test/bench/load.ts, on the
// official Go client.
//
// MUST offer the same load as load.ts: the same keys, the same value size, the same spread of clients
// over endpoints, the same rules for what is counted. MUST NOT be etcd's bottleneck.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"
)

// plan is what the bench asks for, as JSON in the first argument (LoadPlan in protocol.ts).
type plan struct {
	Endpoints   []string `json:"endpoints"`
	Connections int      `json:"connections"`
	Clients     int      `json:"clients"`
	ValueBytes  int      `json:"valueBytes"`
	Keys        int      `json:"keys"`
	WarmupMs    int      `json:"warmupMs"`
	MeasureMs   int      `json:"measureMs"`
	SamplesFile string   `json:"samplesFile"`
}

// tally is what one closed-loop client saw.
type tally struct {
	completed int
	micros    []float64
	errors    map[string]int
}

const (
	warming int32 = iota
	measuring
	draining
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: etcd-load PLAN (one JSON object)")
	}
	var p plan
	if err := json.Unmarshal([]byte(os.Args[1]), &p); err != nil {
		fail("the plan is not the JSON we expect: " + err.Error())
	}
	clients := dial(p)
	var phase atomic.Int32
	tallies := make([]tally, p.Clients)
	var running sync.WaitGroup
	for i := range tallies {
		running.Add(1)
		go func() {
			defer running.Done()
			// Neighbours go to different endpoints, as in load.ts.
			closedLoop(clients[i%len(clients)], p, int64(i), &phase, &tallies[i])
		}()
	}
	time.Sleep(time.Duration(p.WarmupMs) * time.Millisecond)
	say(map[string]any{"type": "measuring"})
	phase.Store(measuring)
	from := time.Now()
	time.Sleep(time.Duration(p.MeasureMs) * time.Millisecond)
	phase.Store(draining)
	seconds := time.Since(from).Seconds()
	say(map[string]any{"type": "measured"})
	running.Wait()
	report(tallies, seconds, p.SamplesFile)
}

// dial opens Connections clients per endpoint, ordered so that the endpoint changes fastest.
func dial(p plan) []*clientv3.Client {
	var clients []*clientv3.Client
	for range p.Connections {
		for _, endpoint := range p.Endpoints {
			client, err := clientv3.New(clientv3.Config{
				Endpoints:   []string{endpoint},
				DialTimeout: 5 * time.Second,
			})
			if err != nil {
				fail("cannot reach etcd: " + err.Error())
			}
			clients = append(clients, client)
		}
	}
	return clients
}

func closedLoop(client *clientv3.Client, p plan, seed int64, phase *atomic.Int32, out *tally) {
	random := rand.New(rand.NewSource(seed))
	value := make([]byte, p.ValueBytes)
	for i := range value {
		value[i] = 'v'
	}
	text := string(value)
	out.errors = map[string]int{}
	for phase.Load() != draining {
		key := fmt.Sprintf("k%07d", random.Intn(p.Keys))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		from := time.Now()
		_, err := client.Put(ctx, key, text)
		took := time.Since(from)
		cancel()
		now := phase.Load()
		if now == warming {
			continue
		}
		if err != nil {
			out.errors[status.Code(err).String()]++
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if now == measuring {
			out.completed++
		}
		out.micros = append(out.micros, float64(took.Nanoseconds())/1e3)
	}
}

// report leaves the latencies in a file: the bench computes the percentiles of all systems alike.
func report(tallies []tally, seconds float64, samplesFile string) {
	completed := 0
	errors := map[string]int{}
	var micros []float64
	for _, one := range tallies {
		completed += one.completed
		micros = append(micros, one.micros...)
		for code, count := range one.errors {
			errors[code] += count
		}
	}
	var samples bytes.Buffer
	if err := binary.Write(&samples, binary.LittleEndian, micros); err != nil {
		fail(err.Error())
	}
	if err := os.WriteFile(samplesFile, samples.Bytes(), 0o600); err != nil {
		fail(err.Error())
	}
	say(map[string]any{"type": "result", "completed": completed, "seconds": seconds, "errors": errors})
}

func say(message map[string]any) {
	line, err := json.Marshal(message)
	if err != nil {
		fail(err.Error())
	}
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		os.Exit(1)
	}
}

func fail(reason string) {
	fmt.Fprintln(os.Stderr, "etcd-load: "+reason)
	os.Exit(1)
}
