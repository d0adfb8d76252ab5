package main

import (
	"fmt"
	"time"
)

// promptly is how long messages of a link may take to arrive again after both ends are there.
const promptly = 250 * time.Millisecond

// backlog is how long a queue takes to arrive once the peer is there. What a publisher has
// dropped meanwhile is missing after that.
const backlog = 3 * time.Second

// ledger counts the messages of a link, and finds faults. The run guards it.
type ledger struct {
	link *link
	ends [2]end

	waiting bool      // for the first message since both ends are there
	since   time.Time // the later of their returns
	spoilt  bool      // an end was stopped in between: that time says nothing
	stopped int       // ends that are stopped
	delays  []delay
	machine []delay // of the processes, as the machine was busy

	last     arrival   // the latest
	receiver uint32    // the incarnation that has got it
	dropping time.Time // until then, a publisher may have dropped messages, as an end was away
	highest  map[uint32]uint64

	arrived, lost int // messages
	worst         int // lost in one piece
	kills         int
	faults        []string
}

// delay is a time that something took.
type delay struct {
	since time.Time
	took  time.Duration
}

// overlap returns how much of d falls into the time from since.
func (d delay) overlap(other delay) time.Duration {
	begin, end := d.since, d.since.Add(d.took)
	if other.since.After(begin) {
		begin = other.since
	}
	if last := other.since.Add(other.took); last.Before(end) {
		end = last
	}
	return max(end.Sub(begin), 0)
}

// end describes a process of a link.
type end struct {
	incarnation uint32
	up          bool
}

func newLedger(l *link) *ledger { return &ledger{link: l, highest: map[uint32]uint64{}} }

func (l *ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, l.link.name+": "+fmt.Sprintf(format, args...))
}

// up notes that a process has opened its socket.
func (l *ledger) up(party int, at time.Time) {
	l.ends[party].up = true
	if l.ends[1-party].up {
		l.waiting, l.since, l.spoilt = true, at, l.stopped > 0 || l.kills == 0 // all start at once
	}
	l.dropsUntil(at.Add(backlog))
}

// down notes that a process is killed.
func (l *ledger) down(party int, now time.Time) {
	e := &l.ends[party]
	if l.waiting && !l.spoilt && now.Sub(l.since) > promptly { // as late as that at least
		l.delays = append(l.delays, delay{l.since, now.Sub(l.since)})
	}
	l.waiting = false
	l.kills++
	*e = end{incarnation: e.incarnation + 1}
}

// stop notes that a process is stopped, and goes on after a while.
func (l *ledger) stop(now time.Time, length time.Duration) {
	l.stopped++
	l.spoilt = true
	l.dropsUntil(now.Add(length + backlog))
}

// goOn notes that a process is no longer stopped.
func (l *ledger) goOn() { l.stopped-- }

func (l *ledger) dropsUntil(at time.Time) {
	if at.After(l.dropping) {
		l.dropping = at
	}
}

// got notes that messages have arrived at a party: those numbered from a.number to last.
func (l *ledger) got(party int, a arrival, last uint64, at time.Time) {
	me, sender := l.ends[party].incarnation, l.ends[0].incarnation
	if highest := l.highest[a.sender]; a.number <= highest {
		l.fault("message %d of incarnation %d after %d, at incarnation %d, before %d", a.number, a.sender, highest, me, l.receiver)
	} else if gap := int(a.number - highest - 1); gap > 0 {
		l.lost += gap
		l.worst = max(l.worst, gap)
		sameEnds := highest > 0 && a.sender == l.last.sender && a.via == l.last.via && me == l.receiver
		if sameEnds && !(l.link.mayDrop && at.Before(l.dropping)) {
			l.fault("%d messages lost after %d of incarnation %d, while nothing was killed", gap, highest, a.sender)
		}
	}
	l.highest[a.sender] = max(l.highest[a.sender], last)
	l.arrived += int(last-a.number) + 1
	l.last, l.receiver = a, me
	if l.waiting && a.sender == sender && at.After(l.since) && (a.via == 0 || a.via == l.ends[1].incarnation) {
		if !l.spoilt {
			l.delays = append(l.delays, delay{l.since, at.Sub(l.since)})
		}
		l.waiting = false
	}
}
