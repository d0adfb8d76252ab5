package zmq4

import (
	"time"

	"github.com/zcurve/zcurve/sockets"
)

// maxLogged is how many lines the log has of an endpoint in a minute: strangers cause as many
// failures as they like, and a peer that is absent ten in a second.
const maxLogged = 10

// maxEvents is how many events wait for a program that is slow to take them.
const maxEvents = 1024

// startEvents starts the goroutine that passes events on.
func (s *socket) startEvents() {
	if s.onEvent == nil && s.log == nil {
		return
	}
	s.events = make(chan *sockets.Event, maxEvents)
	s.background.Go(func() {
		for {
			select {
			case e := <-s.events:
				s.pass(e)
			case <-s.conns.Done():
				for len(s.events) > 0 {
					s.pass(<-s.events)
				}
				return
			}
		}
	})
}

// pass passes an event on. Only the goroutine of startEvents calls it.
func (s *socket) pass(e *sockets.Event) {
	if s.onEvent != nil {
		s.onEvent(*e)
	}
	if s.log == nil || e.Kind != sockets.Failed {
		return
	}
	if now := time.Now(); now.Sub(s.logBegun) >= time.Minute {
		s.logBegun = now
		s.logged = map[string]int{}
	}
	s.logged[e.Endpoint]++
	switch n := s.logged[e.Endpoint]; {
	case n < maxLogged:
		s.log.Print(*e)
	case n == maxLogged:
		s.log.Printf("%v (further failures at this endpoint are not logged for a minute)", *e)
	}
}

// tell queues an event, unless nobody wants it or too many wait.
func (s *socket) tell(e sockets.Event) {
	if s.onEvent == nil && e.Kind != sockets.Failed {
		return
	}
	queued := e
	select {
	case s.events <- &queued:
	default:
	}
}
