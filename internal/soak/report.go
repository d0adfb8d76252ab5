package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// kind is a kind of fault.
type kind string

const (
	message      kind = "message"       // lost, duplicated, out of order or damaged
	endedWrongly kind = "ended wrongly" // a connection ended for no reason
	noticedLate  kind = "noticed late"
	noticedEarly kind = "noticed early"
	overran      kind = "overran" // a call returned too late
	wrong        kind = "wrong"   // anything else
	left         kind = "left"    // goroutines, memory or descriptors are left
)

// tally counts the observations of a scenario.
type tally struct {
	name string

	mu       sync.Mutex // guards the fields below
	rounds   int
	counted  count
	faults   map[kind]int
	told     map[string]int // number of faults with the same wording
	excused  int
	notices  []time.Duration
	maxOver  time.Duration
	maxClose time.Duration
}

func (t *tally) began() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rounds++
}

func (t *tally) count(c count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counted.add(c)
}

func (t *tally) excuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.excused++
}

func (t *tally) overrun(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.maxOver = max(t.maxOver, d)
}

func (t *tally) closed(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.maxClose = max(t.maxClose, d)
}

func (t *tally) noticed(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notices = append(t.notices, d)
}

// maxTold is the number of faults with the same wording that are printed for a scenario.
// More are only counted.
const maxTold = 3

// fault counts and prints a fault.
func (r *round) fault(k kind, format string, args ...any) {
	r.tally.mu.Lock()
	if r.tally.faults == nil {
		r.tally.faults, r.tally.told = map[kind]int{}, map[string]int{}
	}
	r.tally.faults[k]++
	r.tally.told[format]++
	n := r.tally.told[format]
	r.tally.mu.Unlock()
	if n <= maxTold {
		r.soak.tell("%s, round %d: %s: %s", r.s.name, r.number, k, fmt.Sprintf(format, args...))
	}
}

// faultOf is fault for a fault in messages.
func (r *round) faultOf(format string, args ...any) { r.fault(message, format, args...) }

// tell writes a line, with the time since the start.
func (s *soak) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%7.2fs %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// tellStacks writes the stacks of all goroutines, but only the first time.
func (s *soak) tellStacks() {
	s.stacks.Do(func() { s.tell("one of these takes too long:\n%s", stacks()) })
}

// tally returns the tally of a scenario.
func (s *soak) tally(sc *scenario) *tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tallies[sc.name] == nil {
		s.tallies[sc.name] = &tally{name: sc.name}
	}
	return s.tallies[sc.name]
}

// faults returns the total number of faults of a kind.
func (s *soak) faults(of ...kind) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tallies {
		t.mu.Lock()
		for k, count := range t.faults {
			if len(of) == 0 || slices.Contains(of, k) {
				n += count
			}
		}
		t.mu.Unlock()
	}
	return n
}

// report writes a line for each scenario.
func (s *soak) report(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "connections\tmessages\tlost\tduplicated\treordered\tdamaged\tended wrongly\texcused\tnoticed\tat most\tlate or early\toverrun\tclosing\tother faults\t  scenario")
	sum := tally{faults: map[kind]int{}}
	for _, sc := range s.scenarios {
		t := s.tallies[sc.name]
		if t == nil {
			continue
		}
		t.line(table)
		sum.rounds += t.rounds
		sum.counted.add(t.counted)
		sum.excused += t.excused
		sum.notices = append(sum.notices, t.notices...)
		sum.maxOver = max(sum.maxOver, t.maxOver)
		sum.maxClose = max(sum.maxClose, t.maxClose)
		for k, n := range t.faults {
			sum.faults[k] += n
		}
	}
	sum.name = "all"
	sum.line(table)
	table.Flush()
	fmt.Fprintf(w, "this machine was late by %v at most\n", s.control.most().Round(time.Millisecond))
}

func (t *tally) line(w io.Writer) {
	median, most := "", ""
	if len(t.notices) > 0 {
		slices.Sort(t.notices)
		median, most = ms(t.notices[len(t.notices)/2]), ms(t.notices[len(t.notices)-1])
	}
	c := t.counted
	fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%d\t%s\t%s\t%d\t  %s\n", t.rounds, c.messages, c.lost, c.doubled, c.reordered, c.damaged,
		t.faults[endedWrongly], t.excused, median, most, t.faults[noticedLate]+t.faults[noticedEarly], ms(t.maxOver), ms(t.maxClose),
		t.faults[wrong]+t.faults[overran]+t.faults[left], t.name)
}

func ms(d time.Duration) string { return d.Round(time.Millisecond).String() }
