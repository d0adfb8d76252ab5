package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// mostMemory limits what one of our processes has resident, in KiB. Its queues hold less
// than a MiB; the rest is the Go runtime and the C library.
const mostMemory = 64 << 10

// watchMachine measures how late the machine wakes up a goroutine.
func (c *chaos) watchMachine(ended <-chan struct{}) {
	for before := time.Now(); ; before = time.Now() {
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
		if took := time.Since(before); took > 20*time.Millisecond {
			c.mu.Lock()
			c.machine = append(c.machine, delay{before.Add(10 * time.Millisecond), took - 10*time.Millisecond})
			c.mu.Unlock()
		}
	}
}

// watchMemory notes what the processes have resident.
func (c *chaos) watchMemory(ended <-chan struct{}, processes []*process) {
	for {
		for _, p := range processes {
			c.mu.Lock()
			pid := p.cmd.Process.Pid
			c.mu.Unlock()
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(status)) {
				if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
					kib, _ := strconv.Atoi(strings.Fields(rest)[0])
					c.mu.Lock()
					c.memory[p.order.Party.Libzmq] = max(c.memory[p.order.Party.Libzmq], kib)
					c.mu.Unlock()
				}
			}
		}
		select {
		case <-ended:
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// row sums up the links of one kind.
type row struct {
	links, kills, arrived, lost, worst int
	latencies                          []time.Duration
}

// rows sums up the ledgers by the pattern and by the implementations.
func (c *chaos) rows(name func(*link) string) map[string]*row {
	rows := map[string]*row{}
	for _, l := range c.ledgers {
		r := rows[name(l.link)]
		if r == nil {
			r = &row{}
			rows[name(l.link)] = r
		}
		r.links++
		r.kills += l.kills
		r.arrived += l.arrived
		r.lost += l.lost
		r.worst = max(r.worst, l.worst)
		for _, d := range l.delays {
			r.latencies = append(r.latencies, d.took)
		}
	}
	return rows
}

// report prints a table.
func (c *chaos) report(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "sockets\tlinks\tkills\tarrived\tlost\tlost a kill\tat once\tback p50\tp99\tmost\t")
	print := func(rows map[string]*row) {
		for _, name := range sortedKeys(rows) {
			r := rows[name]
			slices.Sort(r.latencies)
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.0f\t%d\t%v\t%v\t%v\t\n", name, r.links, r.kills, r.arrived, r.lost, float64(r.lost)/float64(max(r.kills, 1)), r.worst,
				quantile(r.latencies, 0.5), quantile(r.latencies, 0.99), quantile(r.latencies, 1))
		}
	}
	print(c.rows((*link).kind))
	print(c.rows(func(l *link) string { return l.parties[0].Socket + " " + l.kind() }))
	w.Flush()
	latest := time.Duration(0)
	for _, d := range c.machine {
		latest = max(latest, d.took)
	}
	fmt.Fprintf(to, "%d kills, %d stops; most resident: ours %d MiB, libzmq's %d MiB; the machine was up to %v late\n",
		c.kills, c.stops, c.memory[false]>>10, c.memory[true]>>10, latest.Round(time.Millisecond))
}

func sortedKeys(rows map[string]*row) []string {
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// quantile returns a quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))].Round(time.Millisecond)
}

// slack is how much later a link may be than the machine: several processes must wake up, one
// after another.
const slack = 4

// late lists what took too long, or too much memory. The machine's own delay does not count.
func (c *chaos) late() (faults []string) {
	for _, l := range c.ledgers {
		for _, d := range l.delays {
			excused := time.Duration(0)
			for _, m := range c.machine {
				excused += slack * d.overlap(m)
			}
			for _, m := range l.machine {
				excused += d.overlap(m)
			}
			if l.link.ours && d.took > promptly+excused {
				faults = append(faults, fmt.Sprintf("%s: messages arrive %v after both ends are there", l.link.name, d.took.Round(time.Millisecond)))
			}
		}
	}
	if c.memory[false] > mostMemory {
		faults = append(faults, fmt.Sprintf("a process of ours takes %d MiB", c.memory[false]>>10))
	}
	return faults
}
