package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zmtp"
)

// soak runs scenarios and records faults.
type soak struct {
	scenarios []*scenario
	seed      uint64
	length    time.Duration // length of the soak
	least     time.Duration // length of a round; rounds last up to four times as long
	workers   int           // simultaneous rounds, in addition to those that last for the whole soak
	promptly  time.Duration // time limit for a call to return after its context is done
	patience  time.Duration // how long to wait for events that must happen
	settling  time.Duration // how long to wait for messages while none arrives
	out       io.Writer
	wrap      func(end int, c *zmtp.Conn) conn // of a test: the connection to test instead

	clientKeys, serverKeys curve.SecretKey
	control                *control // nil unless a test provides one
	began                  time.Time
	stacks                 sync.Once

	mu      sync.Mutex // guards the fields below
	tallies map[string]*tally
}

// wrapped returns the connection under test.
func (s *soak) wrapped(end int, c *zmtp.Conn) conn {
	if s.wrap != nil {
		return s.wrap(end, c)
	}
	return c
}

// run runs every scenario at least once, and repeats them until the time is over.
func (s *soak) run(ctx context.Context) error {
	s.began = time.Now()
	s.tallies = map[string]*tally{}
	s.clientKeys, s.serverKeys = curve.GenerateKey(), curve.GenerateKey()
	if s.control == nil {
		var err error
		if s.control, err = startControl(); err != nil {
			return err
		}
		defer s.control.stop()
	}
	rnd := rand.New(rand.NewPCG(s.seed, 0))

	var wg sync.WaitGroup
	var short []*scenario
	for _, sc := range s.scenarios {
		if sc.whole {
			wg.Go(func() { s.round(ctx, sc, s.length) })
		} else {
			short = append(short, sc)
		}
	}
	type job struct {
		sc     *scenario
		length time.Duration
	}
	jobs := make(chan job)
	for range s.workers {
		wg.Go(func() {
			for j := range jobs {
				s.round(ctx, j.sc, j.length)
			}
		})
	}
	for first := true; ctx.Err() == nil && len(short) > 0; first = false {
		rnd.Shuffle(len(short), func(i, j int) { short[i], short[j] = short[j], short[i] })
		for _, sc := range short {
			if !first && time.Since(s.began) > s.length {
				break
			}
			jobs <- job{sc, s.least + time.Duration(rnd.Int64N(int64(3*s.least)+1))}
		}
		if time.Since(s.began) > s.length {
			break
		}
	}
	close(jobs)
	wg.Wait()
	return nil
}

// soakAndReport soaks, and checks what is left at the end.
func (s *soak) soakAndReport(ctx context.Context) error {
	fmt.Fprintf(s.out, "seed %d, %v\n", s.seed, s.length)
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // what the runtime opens for the first connection
		ln.Close()
	}
	before := resources()
	if err := s.run(ctx); err != nil {
		return err
	}
	if what := before.leftAfter(s.patience); what != "" {
		sc := &scenario{name: "at the end"}
		(&round{soak: s, s: sc, tally: s.tally(sc)}).fault(left, "%s", what)
		s.scenarios = append(s.scenarios, sc)
	}
	s.report(s.out)
	return nil
}
