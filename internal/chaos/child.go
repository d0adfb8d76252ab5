package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// childVar is the environment variable with the order of a child.
const childVar = "ZCURVE_CHAOS"

// order tells a child what to do.
type order struct {
	Party       party
	Sends       bool
	Endpoint    string
	Incarnation uint32
	Curve       bool
	Key, Server []byte // the secret key of this end, and the public key of the server
	Mark        int
}

// Messages are numbered, and sent a few at a time. A message is a topic, the incarnation of
// the sender, its number, and the incarnation of the ROUTER that has sent it back.
const (
	tick    = 8 * time.Millisecond
	perTick = 4
	topic   = 't'
	noise   = 'x' // nobody subscribes to it
	size    = 200

	// starved is how late a busy machine wakes up a subscriber whose publisher may have
	// dropped messages.
	starved = 500 * time.Millisecond
)

func encode(first byte, incarnation uint32, number uint64) []byte {
	m := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{first}, incarnation), number)
	return append(append(m, 0, 0, 0, 0), make([]byte, size)...)
}

// arrival is a received message.
type arrival struct {
	sender, via uint32 // incarnations
	number      uint64
}

func decode(m []byte) (a arrival, ok bool) {
	if len(m) != 1+4+8+4+size || m[0] != topic {
		return arrival{}, false
	}
	return arrival{binary.BigEndian.Uint32(m[1:]), binary.BigEndian.Uint32(m[13:]), binary.BigEndian.Uint64(m[5:])}, true
}

// plug is a socket of either implementation, which never waits.
type plug interface {
	// trySend reports whether the message was accepted.
	trySend(frames ...[]byte) (bool, error)
	// tryRecv returns nil if no message has arrived.
	tryRecv() ([][]byte, error)
}

func isChild() bool { return os.Getenv(childVar) != "" }

// live is the life of a child. It ends when the parent kills it, or has ended.
func live() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	var o order
	err := json.Unmarshal([]byte(os.Getenv(childVar)), &o)
	if err == nil {
		err = o.work(os.Stdout)
	}
	fmt.Fprintln(os.Stderr, "chaos:", o.Party, err)
	os.Exit(1)
}

// work sends and receives until an error.
func (o *order) work(to io.Writer) error {
	open := openOurs
	if o.Party.Libzmq {
		open = openLibzmq
	}
	s, err := open(o)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	fmt.Fprintf(out, "up %d\n", time.Now().UnixNano())
	var ranges reporter
	sent := uint64(0)
	for {
		if err := out.Flush(); err != nil {
			return err
		}
		before := time.Now()
		time.Sleep(tick)
		if late := time.Since(before) - tick; late > tick {
			fmt.Fprintf(out, "late %d %d\n", before.Add(tick).UnixNano(), late)
		}
		for {
			frames, err := s.tryRecv()
			if err != nil {
				return err
			}
			if frames == nil {
				break
			}
			payload := frames[len(frames)-1]
			if o.Party.Socket == "XPUB" && len(payload) > 0 && payload[0] <= 1 {
				continue
			}
			a, ok := decode(payload)
			if !ok {
				fmt.Fprintf(out, "wrong %.20q\n", payload)
				continue
			}
			if o.Party.Socket == "ROUTER" {
				binary.BigEndian.PutUint32(payload[13:], o.Incarnation)
				if _, err := s.trySend(frames...); err != nil {
					return err
				}
				continue
			}
			ranges.note(out, a)
		}
		ranges.flush(out)
		if !o.Sends {
			continue
		}
		for range perTick {
			ok, err := s.trySend(encode(topic, o.Incarnation, sent+1))
			if err != nil {
				return err
			}
			if ok {
				sent++
			}
		}
		if o.Party.Socket == "PUB" || o.Party.Socket == "XPUB" {
			if _, err := s.trySend(encode(noise, o.Incarnation, 0)); err != nil {
				return err
			}
		}
	}
}

// reporter reports which messages have arrived, as ranges of numbers.
type reporter struct {
	first, last arrival
	at          int64
}

func (r *reporter) note(out io.Writer, a arrival) {
	if next := (arrival{r.last.sender, r.last.via, r.last.number + 1}); r.at > 0 && a == next {
		r.last = a
		return
	}
	r.flush(out)
	r.first, r.last, r.at = a, a, time.Now().UnixNano()
}

func (r *reporter) flush(out io.Writer) {
	if r.at > 0 {
		fmt.Fprintf(out, "got %d %d %d %d %d\n", r.first.sender, r.first.via, r.first.number, r.last.number, r.at)
	}
	r.at = 0
}
