package main

import "fmt"

// party is a process with one socket.
type party struct {
	Socket string
	Libzmq bool
	Binds  bool
}

// link is a pair of sockets. The first sends numbered messages to the second; a ROUTER sends
// them back.
type link struct {
	name            string
	parties         [2]party
	curve, overTCP  bool
	mayDrop         bool // while a process is stopped
	hasLibzmq, ours bool // any end is libzmq's, or ours
}

// patterns lists the pairs of types. The first of each sends.
var patterns = []struct {
	from, to string
	mayDrop  bool
}{
	{"PUSH", "PULL", false},
	{"PUB", "SUB", true},
	{"DEALER", "ROUTER", true}, // the ROUTER drops what it sends back
	{"XPUB", "XSUB", true},
	{"PAIR", "PAIR", false},
}

// links lists all pairs of types with either implementation at each end, and either end
// bound. Transports and mechanisms take turns.
func links() (all []*link) {
	turn := 0
	for _, p := range patterns {
		for _, binds := range []int{0, 1} {
			for _, libzmq := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
				l := &link{mayDrop: p.mayDrop, overTCP: turn%2 == 0, curve: turn/2%2 == 0,
					hasLibzmq: libzmq[0] || libzmq[1], ours: !libzmq[0] || !libzmq[1]}
				turn++
				if binds == 1 {
					l.overTCP = !l.overTCP
				}
				for i, socket := range []string{p.from, p.to} {
					l.parties[i] = party{Socket: socket, Libzmq: libzmq[i], Binds: i == binds}
				}
				l.name = fmt.Sprintf("%s-%s", l.parties[0], l.parties[1])
				all = append(all, l)
			}
		}
	}
	return all
}

func (p party) String() string {
	text := "our " + p.Socket
	if p.Libzmq {
		text = "libzmq's " + p.Socket
	}
	if p.Binds {
		text += " (bound)"
	}
	return text
}

// kind is how the report groups links.
func (l *link) kind() string {
	names := map[bool]string{false: "ours", true: "libzmq"}
	return names[l.parties[0].Libzmq] + " to " + names[l.parties[1].Libzmq]
}
