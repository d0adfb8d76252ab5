package main

import (
	"fmt"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// scenario is a kind of connection: its ends, what they do, and how it ends, which
// determines the promises that must hold.
type scenario struct {
	name      string
	transport string // "tcp", "ipc" or "pipe", which is net.Pipe
	mechanism string
	rate      int // bytes/s that the network lets through each way; 0 for no bound
	client    party
	server    party
	fate      fate
	whole     bool // the connection lives for the whole soak
}

// party is an end of a connection.
type party struct {
	libzmq bool // the end is a socket of libzmq; otherwise it is ours
	socket string

	interval, timeout time.Duration // interval of heartbeats; zero for none

	sends   sending
	senders int  // goroutines, 1 if 0
	size    int  // bytes in its largest messages
	large   bool // all messages have that size

	receives  receiving
	receivers int  // goroutines, 1 if 0
	hasty     bool // the contexts of its calls end at random moments
}

// sending is how an end sends.
type sending string

const (
	nothing    sending = ""
	flatOut    sending = "flat out"   // one message after another
	queues     sending = "queues"     // many messages, and then Flush
	paced      sending = "paced"      // some hundred messages a second
	rarely     sending = "rarely"     // less than one message in two heartbeats
	subscribes sending = "subscribes" // Subscribe and Unsubscribe instead of messages
)

// receiving is how an end receives.
type receiving string

const (
	receives    receiving = ""             // Recv
	polls       receiving = "polls"        // Recv with contexts of some ms
	batches     receiving = "batches"      // RecvBatch
	pollBatches receiving = "poll batches" // RecvBatch with contexts of some ms
	slowly      receiving = "slowly"       // Recv, and some ms for each message
	pauses      receiving = "pauses"       // Recv, with occasional pauses of a quarter of the timeout
	never       receiving = "never"        // no calls of Recv, as for a PUSH
)

// fate is how a connection ends.
type fate string

const (
	// lives: the connection stays open until the end of the round, and everything arrives.
	lives fate = ""
	// closes: the client closes the connection while both ends send. The client's
	// messages arrive.
	closes fate = "closes"
	// closesInVain: the client closes the connection after the server has stopped
	// receiving. Close returns an error, because some messages have not arrived.
	closesInVain fate = "closes in vain"
	// leaves: the client ends the connection at once. The server notices.
	leaves fate = "leaves"
	// cut: the network silently stops carrying data. Heartbeats notice.
	cut fate = "cut"
	// reset: the network resets the connection. Both ends notice.
	reset fate = "reset"
	// stops: the server stops receiving. The client's heartbeats notice.
	stops fate = "stops"
)

const (
	null   = zap.Null
	curved = zap.Curve
)

// heartbeats returns a copy of the end with heartbeats.
func (p party) beats(interval, timeout time.Duration) party {
	p.interval, p.timeout = interval, timeout
	return p
}

// scenarios returns the scenarios of a soak. large is the size in bytes of the messages
// on a slow network.
func scenarios(large int) (all []*scenario) {
	const ms = time.Millisecond
	for i, mechanism := range []string{null, curved} {
		transports := [][]string{{"tcp", "ipc"}, {"ipc", "tcp"}}[i]
		for _, s := range []*scenario{
			// Connections that stay open.
			{name: "pushes flat out", transport: "tcp",
				client: party{socket: "PUSH", sends: flatOut, size: 20000, receives: never}.beats(200*ms, 1000*ms),
				server: party{socket: "PULL", receives: batches}.beats(200*ms, 1000*ms)},
			{name: "queues both ways", transport: transports[0],
				client: party{socket: "DEALER", sends: queues, size: 2000, receives: batches}.beats(200*ms, 1000*ms),
				server: party{socket: "DEALER", sends: queues, size: 2000, receives: receives}.beats(250*ms, 1000*ms)},
			{name: "is idle and polls", transport: transports[1], whole: true,
				client: party{socket: "DEALER", sends: rarely, receives: polls}.beats(200*ms, 1000*ms),
				server: party{socket: "DEALER", sends: rarely, receives: pollBatches}.beats(200*ms, 1000*ms)},
			{name: "is idle, heartbeats of one end", transport: "tcp", whole: true,
				client: party{socket: "DEALER", receives: receives}.beats(200*ms, 1000*ms),
				server: party{socket: "ROUTER", receives: polls}},
			{name: "hasty, flat out", transport: transports[0],
				client: party{socket: "DEALER", sends: flatOut, senders: 3, size: 300000, receives: polls, hasty: true}.beats(200*ms, 1000*ms),
				server: party{socket: "DEALER", sends: flatOut, senders: 2, size: 2000, receives: pollBatches, hasty: true}.beats(200*ms, 1000*ms)},
			{name: "hasty, queues", transport: "pipe",
				client: party{socket: "PAIR", sends: queues, senders: 2, size: 5000, receives: polls, receivers: 2, hasty: true}.beats(200*ms, 1000*ms),
				server: party{socket: "PAIR", sends: queues, senders: 2, size: 5000, receives: pollBatches, hasty: true}.beats(200*ms, 1000*ms)},
			{name: "subscribes", transport: transports[1],
				client: party{socket: "SUB", sends: subscribes, senders: 2, receives: polls, hasty: true}.beats(200*ms, 1000*ms),
				server: party{socket: "XPUB", sends: paced, size: 1000, receives: polls}.beats(200*ms, 1000*ms)},
			{name: "reads slowly", transport: transports[1],
				client: party{socket: "PUSH", sends: flatOut, senders: 2, size: 100000, receives: never, hasty: true}.beats(200*ms, 1000*ms),
				server: party{socket: "PULL", receives: slowly}.beats(200*ms, 1000*ms)},
			{name: "pauses", transport: "tcp",
				client: party{socket: "DEALER", sends: queues, size: 30000, receives: polls}.beats(200*ms, 2000*ms),
				server: party{socket: "DEALER", sends: paced, size: 1000, receives: pauses}.beats(200*ms, 2000*ms)},
			{name: "slow network", transport: "tcp", rate: 2 << 20, whole: true,
				client: party{socket: "DEALER", sends: flatOut, size: large, large: true, receives: polls}.beats(200*ms, 500*ms),
				server: party{socket: "DEALER", sends: rarely, receives: receives}.beats(200*ms, 500*ms)},
			{name: "slow network, heartbeats of one end", transport: "tcp", rate: 2 << 20,
				client: party{socket: "PUSH", sends: flatOut, size: large, large: true, receives: never, hasty: true}.beats(200*ms, 1000*ms),
				server: party{socket: "PULL", receives: receives}},

			// Connections that end.
			{name: "closes", transport: transports[0], fate: closes,
				client: party{socket: "DEALER", sends: queues, senders: 2, size: 50000, receives: polls}.beats(200*ms, 1000*ms),
				server: party{socket: "DEALER", sends: flatOut, size: 5000, receives: batches}.beats(200*ms, 1000*ms)},
			{name: "closes, slow network", transport: "tcp", rate: 2 << 20, fate: closes,
				client: party{socket: "PUSH", sends: flatOut, size: 1 << 20, receives: never},
				server: party{socket: "PULL", receives: receives}},
			{name: "closes in vain", transport: transports[1], fate: closesInVain,
				client: party{socket: "DEALER", sends: flatOut, size: 50000, receives: polls},
				server: party{socket: "DEALER", sends: paced, size: 1000, receives: receives}},
			{name: "leaves", transport: transports[1], fate: leaves,
				client: party{socket: "DEALER", sends: flatOut, size: 5000, receives: polls}.beats(200*ms, 1000*ms),
				server: party{socket: "DEALER", sends: queues, size: 5000, receives: receives}},
			{name: "cut while idle", transport: transports[0], fate: cut,
				client: party{socket: "DEALER", receives: receives}.beats(200*ms, 400*ms),
				server: party{socket: "DEALER", receives: polls}.beats(300*ms, 600*ms)},
			{name: "cut while busy", transport: transports[1], fate: cut,
				client: party{socket: "DEALER", sends: flatOut, senders: 2, size: 5000, receives: polls, hasty: true}.beats(200*ms, 400*ms),
				server: party{socket: "DEALER", sends: paced, size: 5000, receives: pollBatches}.beats(200*ms, 400*ms)},
			{name: "cut, heartbeats of one end", transport: "pipe", fate: cut,
				client: party{socket: "DEALER", receives: polls}.beats(200*ms, 400*ms),
				server: party{socket: "DEALER", sends: paced, size: 1000, receives: polls}},
			{name: "cut, pushes", transport: "tcp", fate: cut,
				client: party{socket: "PUSH", sends: queues, size: 1000, receives: never, hasty: true}.beats(200*ms, 400*ms),
				server: party{socket: "PULL", receives: batches}.beats(200*ms, 400*ms)},
			{name: "reset", transport: "tcp", fate: reset,
				client: party{socket: "DEALER", sends: paced, size: 1000, receives: receives}.beats(500*ms, 5000*ms),
				server: party{socket: "DEALER", sends: flatOut, size: 1000, receives: polls}},
			{name: "stops", transport: "tcp", fate: stops,
				client: party{socket: "PUSH", sends: flatOut, senders: 2, size: 50000, receives: never, hasty: true}.beats(200*ms, 400*ms),
				server: party{socket: "PULL", receives: receives}},
			{name: "stops, and sends", transport: "tcp", fate: stops,
				client: party{socket: "DEALER", sends: queues, size: 50000, receives: polls}.beats(200*ms, 600*ms),
				server: party{socket: "DEALER", sends: paced, size: 100, receives: receives}.beats(200*ms, 600*ms)},

			// With libzmq.
			{name: "libzmq pushes flat out", transport: "tcp",
				client: party{libzmq: true, socket: "PUSH", sends: flatOut, size: 2000, receives: never}.beats(200*ms, 2000*ms),
				server: party{socket: "PULL", receives: batches}.beats(200*ms, 1000*ms)},
			{name: "pushes flat out to libzmq", transport: transports[0],
				client: party{socket: "PUSH", sends: queues, size: 2000, receives: never, hasty: true}.beats(200*ms, 1000*ms),
				server: party{libzmq: true, socket: "PULL"}.beats(200*ms, 2000*ms)},
			{name: "libzmq both ways", transport: transports[1], whole: true,
				client: party{libzmq: true, socket: "DEALER", sends: paced, size: 2000}.beats(200*ms, 2000*ms),
				server: party{socket: "DEALER", sends: paced, size: 200000, receives: polls, hasty: true}.beats(200*ms, 1000*ms)},
			{name: "libzmq is idle", transport: "tcp", whole: true,
				client: party{socket: "DEALER", sends: rarely, receives: polls}.beats(200*ms, 1000*ms),
				server: party{libzmq: true, socket: "DEALER", sends: rarely}.beats(300*ms, 2000*ms)},
			{name: "libzmq reads slowly", transport: "tcp",
				client: party{socket: "DEALER", sends: flatOut, size: 2000, receives: polls, hasty: true}.beats(200*ms, 5000*ms),
				server: party{libzmq: true, socket: "DEALER", receives: slowly}},
			{name: "closes on libzmq", transport: transports[0], fate: closes,
				client: party{socket: "DEALER", sends: queues, size: 5000, receives: polls}.beats(200*ms, 1000*ms),
				server: party{libzmq: true, socket: "DEALER", sends: flatOut, size: 1000}.beats(200*ms, 2000*ms)},
			{name: "libzmq leaves", transport: transports[1], fate: leaves,
				client: party{libzmq: true, socket: "DEALER", sends: paced, size: 1000},
				server: party{socket: "DEALER", sends: flatOut, size: 1000, receives: receives}.beats(200*ms, 1000*ms)},
			{name: "cut from libzmq", transport: "tcp", fate: cut,
				client: party{libzmq: true, socket: "DEALER", sends: paced, size: 1000}.beats(200*ms, 400*ms),
				server: party{socket: "DEALER", sends: paced, size: 1000, receives: polls}.beats(200*ms, 400*ms)},
			{name: "libzmq stops", transport: "tcp", fate: stops,
				client: party{socket: "PUSH", sends: flatOut, size: 50000, receives: never}.beats(200*ms, 400*ms),
				server: party{libzmq: true, socket: "PULL"}},

			// libzmq with itself: libzmq, too, meets the demands of the soak.
			{name: "libzmq with itself", transport: transports[0],
				client: party{libzmq: true, socket: "DEALER", sends: flatOut, size: 2000}.beats(200*ms, 2000*ms),
				server: party{libzmq: true, socket: "DEALER", sends: paced, size: 20000}.beats(200*ms, 2000*ms)},
		} {
			s.mechanism = mechanism
			s.name = fmt.Sprintf("%s (%s, %s)", s.name, mechanism, s.transport)
			all = append(all, s)
		}
	}
	return all
}
