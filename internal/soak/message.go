package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// A message begins with a part of headerSize bytes: the numbers of the lane, the flow,
// the message within the flow, and the attempt to send it; then a checksum of the whole
// message. The other parts are slices of filler.
const headerSize = 8 + 4 + 8 + 8 + 4

// filler is the source of the bytes of messages. It is never written to.
var filler = func() []byte {
	bytes := make([]byte, 16<<20)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(bytes)
	return bytes
}()

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// lanes numbers the lanes, so that a message of another connection is recognized.
var lanes atomic.Uint64

// lane is one direction of a connection: the flows of all its senders.
type lane struct {
	number    uint64
	name      string
	unordered bool // several goroutines receive
	flows     []*flow
	damaged   atomic.Int64
	fault     func(format string, args ...any)
}

// flow holds the messages that one goroutine sends. They are numbered in the order in
// which they were accepted: one that wasn't accepted leaves its number to the next.
type flow struct {
	lane    *lane
	number  uint32
	attempt uint64 // of the sender

	taken atomic.Uint64 // messages that must arrive
	maybe atomic.Uint64 // messages that may arrive, since the connection ended in the meantime

	mu        sync.Mutex // guards the fields below, which belong to the receiver
	next      uint64
	received  uint64
	missing   map[uint64]bool // before next
	doubled   int
	reordered int
}

func newLane(name string, flows int, fault func(string, ...any)) *lane {
	l := &lane{number: lanes.Add(1), name: name, fault: fault}
	for i := range flows {
		l.flows = append(l.flows, &flow{lane: l, number: uint32(i), missing: map[uint64]bool{}})
	}
	return l
}

// message returns the next message of a flow, with this number of parts and this size.
func (f *flow) message(bodies, size int, rnd *rand.Rand) [][]byte {
	f.attempt++
	parts := make([][]byte, 1, 1+bodies)
	header := make([]byte, 0, headerSize)
	header = binary.BigEndian.AppendUint64(header, f.lane.number)
	header = binary.BigEndian.AppendUint32(header, f.number)
	header = binary.BigEndian.AppendUint64(header, f.taken.Load())
	header = binary.BigEndian.AppendUint64(header, f.attempt)
	for i := range bodies {
		n := size / bodies
		if i == 0 {
			n += size % bodies
		}
		at := rnd.IntN(len(filler) - n + 1)
		parts = append(parts, filler[at:at+n])
	}
	parts[0] = binary.BigEndian.AppendUint32(header, checksum(header, parts[1:]))
	return parts
}

func checksum(header []byte, bodies [][]byte) uint32 {
	sum := crc32.Update(0, castagnoli, header)
	for _, body := range bodies {
		sum = crc32.Update(sum, castagnoli, binary.BigEndian.AppendUint32(nil, uint32(len(body))))
		sum = crc32.Update(sum, castagnoli, body)
	}
	return sum
}

// receive checks a message that has arrived in the lane.
func (l *lane) receive(message [][]byte) {
	if len(message) == 0 || len(message[0]) != headerSize {
		l.damaged.Add(1)
		l.fault("%s: damaged: %d parts with a header of another size", l.name, len(message))
		return
	}
	header := message[0][:headerSize-4]
	if binary.BigEndian.Uint32(message[0][headerSize-4:]) != checksum(header, message[1:]) {
		l.damaged.Add(1)
		l.fault("%s: damaged: the checksum of a message of %d parts is wrong", l.name, len(message))
		return
	}
	number, of := binary.BigEndian.Uint64(header), binary.BigEndian.Uint32(header[8:])
	if number != l.number || int(of) >= len(l.flows) {
		l.damaged.Add(1)
		l.fault("%s: a message of another connection: lane %d, flow %d", l.name, number, of)
		return
	}
	l.flows[of].receive(binary.BigEndian.Uint64(header[12:]), binary.BigEndian.Uint64(header[20:]))
}

func (f *flow) receive(index, attempt uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.received++
	switch {
	case index == f.next:
		f.next++
	case index > f.next:
		for ; f.next < index && len(f.missing) < 1<<16; f.next++ {
			f.missing[f.next] = true
		}
		f.next = index + 1
	case f.missing[index]:
		delete(f.missing, index)
		if !f.lane.unordered {
			f.reordered++
			f.lane.fault("%s, flow %d: message %d (attempt %d) arrives after %d", f.lane.name, f.number, index, attempt, f.next-1)
		}
	default:
		f.doubled++
		f.lane.fault("%s, flow %d: message %d arrives again (attempt %d): it was sent twice, or Send had returned an error", f.lane.name, f.number, index, attempt)
	}
}

// arrived reports whether all accepted messages have arrived. Call it after all senders
// have stopped.
func (l *lane) arrived() bool {
	for _, f := range l.flows {
		f.mu.Lock()
		whole := f.next >= f.taken.Load() && len(f.missing) == 0
		f.mu.Unlock()
		if !whole {
			return false
		}
	}
	return true
}

// settle counts the lost messages. If the connection ended, so that some need not arrive,
// the last ones may be missing, but none before a message that arrived.
func (l *lane) settle(all bool) (sum count) {
	for _, f := range l.flows {
		f.mu.Lock()
		taken, maybe := f.taken.Load(), f.maybe.Load()
		sum.messages += int(f.received)
		sum.doubled += f.doubled
		sum.reordered += f.reordered
		lost := len(f.missing)
		if all && f.next < taken {
			lost += int(taken - f.next)
		}
		if lost > 0 {
			l.fault("%s, flow %d: %d messages are lost: %d were accepted, the last to arrive is %d", l.name, f.number, lost, taken, int64(f.next)-1)
		}
		if f.next > taken+maybe {
			sum.doubled++
			l.fault("%s, flow %d: message %d has arrived, although Send had returned an error", l.name, f.number, f.next-1)
		}
		sum.lost += lost
		f.mu.Unlock()
	}
	sum.damaged = int(l.damaged.Load())
	return sum
}

// received returns the number of messages that have arrived.
func (l *lane) received() (n uint64) {
	for _, f := range l.flows {
		f.mu.Lock()
		n += f.received
		f.mu.Unlock()
	}
	return n
}

// count counts messages by what happened to them.
type count struct{ messages, lost, doubled, reordered, damaged int }

func (c *count) add(other count) {
	c.messages += other.messages
	c.lost += other.lost
	c.doubled += other.doubled
	c.reordered += other.reordered
	c.damaged += other.damaged
}

func (c count) String() string {
	return fmt.Sprintf("%d messages, %d lost, %d duplicated, %d reordered, %d damaged", c.messages, c.lost, c.doubled, c.reordered, c.damaged)
}
