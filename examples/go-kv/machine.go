package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	format     = "kv-json-1" // of snapshots: one JSON object, the same bytes in every language
	chunkBytes = 256 << 10   // of a snapshot in one frame, the most that a sidecar takes
)

// machine is the state machine. It knows nothing of sidecars, and it has no lock: whoever has it sees to that.
type machine struct {
	state map[string]string
	sum   *big.Int // over the marks of all keys, modulo 2^128: what the state is like, at a cost that does not grow with it
}

var modulus = new(big.Int).Lsh(big.NewInt(1), 128)

func newMachine(state map[string]string) *machine {
	m := &machine{state: state, sum: new(big.Int)}
	for key, value := range state {
		m.sum.Add(m.sum, mark(key, value))
	}
	return m
}

// execute changes the state. The same command in the same state MUST do the same on every node: so no clock, no randomness, no
// walk over a map; and a command that makes no sense is answered, never a crash: it is in the log for good.
func (m *machine) execute(command []byte) []byte {
	request, err := parse(command)
	key, named := request["key"]
	op := request["op"]
	if err != nil || !named || (op != "put" && op != "delete") {
		return []byte(`{"error": "not a command of this app"}`)
	}
	value, existed := m.state[key]
	if existed {
		m.sum.Sub(m.sum, mark(key, value))
	}
	if op == "put" {
		m.state[key] = request["value"]
		m.sum.Add(m.sum, mark(key, m.state[key]))
	} else {
		delete(m.state, key)
	}
	return fmt.Appendf(nil, `{"existed": %t}`, existed)
}

// digest says what the state is like. The sidecars compare: a copy that differs is found out.
func (m *machine) digest() []byte {
	return new(big.Int).Mod(m.sum, modulus).FillBytes(make([]byte, 16))
}

func mark(key, value string) *big.Int {
	hash := sha256.Sum256([]byte("[" + quote(key) + ", " + quote(value) + "]"))
	return new(big.Int).SetBytes(hash[:16])
}

// parse reads a JSON object whose members are all strings. So strict because copies in other languages must refuse the same:
// parsers differ in what they make of numbers, of half a surrogate pair, and of anything that is not UTF-8.
func parse(data []byte) (map[string]string, error) {
	if !utf8.Valid(data) || halfSurrogate(data) {
		return nil, errors.New("not UTF-8 text")
	}
	var members map[string]*string
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("not a JSON object")
	}
	result := make(map[string]string, len(members))
	for key, value := range members {
		if value == nil {
			return nil, errors.New("a member is not a string")
		}
		result[key] = *value
	}
	return result, nil
}

// halfSurrogate finds \ud800 without its other half, which encoding/json would silently replace.
func halfSurrogate(data []byte) bool {
	for i := bytes.IndexByte(data, '\\'); i >= 0 && i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if r := escaped(data[i:]); !utf16.IsSurrogate(r) {
			i++ // over what is escaped, which may be another backslash
		} else if utf16.DecodeRune(r, escaped(data[i+6:])) == utf8.RuneError {
			return true
		} else {
			i += 11
		}
	}
	return false
}

// escaped reads \uXXXX; -1 where there is none.
func escaped(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	r, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(r)
}

// quote writes a JSON string in ASCII, as every copy does.
func quote(s string) string {
	out := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r >= ' ' && r <= '~':
			out = append(out, byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r == '\f':
			out = append(out, `\f`...)
		case r == '\b':
			out = append(out, `\b`...)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		}
	}
	return string(append(out, '"'))
}

// chunks writes the state as {"key": "value", …}, sorted, a piece at a time.
func chunks(state map[string]string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		data := []byte{'{'}
		for i, key := range slices.Sorted(maps.Keys(state)) {
			if i > 0 {
				data = append(data, ", "...)
			}
			data = append(data, quote(key)+": "+quote(state[key])...)
			for len(data) >= chunkBytes {
				if !yield(data[:chunkBytes]) {
					return
				}
				data = append([]byte(nil), data[chunkBytes:]...)
			}
		}
		yield(append(data, '}'))
	}
}
