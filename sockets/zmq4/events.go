package zmq4

import "github.com/zcurve/zcurve/sockets"

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

// pass passes an event on.
func (s *socket) pass(e *sockets.Event) {
	if s.onEvent != nil {
		s.onEvent(*e)
	}
	if s.log != nil && e.Kind == sockets.Failed {
		s.log.Print(*e)
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
