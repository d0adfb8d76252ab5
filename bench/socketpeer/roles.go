package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/bench/internal/peer"
)

// rate is the result of pull, sub and window.
type rate struct {
	Messages int   `json:"messages"`
	NS       int64 `json:"ns"`
}

// recvSize receives a message whose last frame must have the size.
func recvSize(s socket, size int) error {
	message, err := s.recv()
	if err != nil {
		return err
	}
	if last := message[len(message)-1]; len(last) != size {
		return fmt.Errorf("message of %d bytes, expected %d", len(last), size)
	}
	return nil
}

// pull receives count messages after a first one, which shows that the other side is ready.
func pull(k kit, size, count int) error {
	s, err := k.listen("PULL")
	if err != nil {
		return err
	}
	if err := recvSize(s, size); err != nil {
		return err
	}
	begin()
	start := time.Now()
	for range count {
		if err := recvSize(s, size); err != nil {
			return err
		}
	}
	return peer.Report(rate{count, time.Since(start).Nanoseconds()})
}

func push(k kit, endpoint string, size, count int) error {
	s, err := k.dial("PUSH", endpoint)
	if err != nil {
		return err
	}
	body := make([]byte, size)
	if err := s.send(body); err != nil {
		return err
	}
	begin()
	for range count {
		if err := s.send(body); err != nil {
			return err
		}
	}
	return nil
}

// publish sends messages of one byte until a line arrives, so that each subscriber gets one,
// and then count others.
func publish(k kit, size, count int) error {
	s, err := k.listen("PUB")
	if err != nil {
		return err
	}
	ready := make(chan error, 1)
	input := bufio.NewReader(os.Stdin)
	go func() {
		_, err := input.ReadString('\n')
		ready <- err
	}()
	for waits := true; waits; {
		if err := s.send([]byte{0}); err != nil {
			return err
		}
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
			waits = false
		case <-time.After(time.Millisecond):
		}
	}
	begin()
	body := make([]byte, size)
	for range count {
		if err := s.send(body); err != nil {
			return err
		}
	}
	return nil
}

// subscribe runs n subscribers. The time is that from the first message of any to the last of
// all.
func subscribe(k kit, endpoint string, size, count, n int) error {
	var ready, measured errgroup.Group
	begun := make([]time.Time, n)
	start := make(chan struct{})
	for i := range n {
		s, err := k.dial("SUB", endpoint)
		if err != nil {
			return err
		}
		first := make(chan error, 1)
		ready.Go(func() error { return <-first })
		measured.Go(func() error {
			_, err := s.recv()
			first <- err
			if err != nil {
				return err
			}
			<-start
			for size := 1; size == 1; {
				message, err := s.recv()
				if err != nil {
					return err
				}
				size = len(message[0])
			}
			begun[i] = time.Now()
			for range count - 1 {
				if err := recvSize(s, size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := ready.Wait(); err != nil {
		return err
	}
	begin()
	fmt.Println("ready")
	close(start)
	if err := measured.Wait(); err != nil {
		return err
	}
	first := slices.MinFunc(begun, time.Time.Compare)
	return peer.Report(rate{n * count, time.Since(first).Nanoseconds()})
}

// echo answers each message with itself, until stdin ends.
func echo(k kit, typ string) error {
	s, err := k.listen(typ)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() {
		for isFirst := true; ; isFirst = false {
			message, err := s.recv()
			if err == nil {
				err = s.send(message...)
			}
			if err != nil {
				failed <- err
				return
			}
			if isFirst {
				begin()
			}
		}
	}()
	go func() { failed <- reportTime() }()
	return <-failed
}

// windowSize is how many messages of window are on the way at a time.
const windowSize = 100

func window(k kit, endpoint string, size, count int) error {
	s, err := k.dial("DEALER", endpoint)
	if err != nil {
		return err
	}
	body := make([]byte, size)
	if err := trip(s, body); err != nil { // waits for the handshake
		return err
	}
	begin()
	start := time.Now()
	for i := range count + windowSize {
		if i >= windowSize {
			if err := recvSize(s, size); err != nil {
				return err
			}
		}
		if i < count {
			if err := s.send(body); err != nil {
				return err
			}
		}
	}
	return peer.Report(rate{count, time.Since(start).Nanoseconds()})
}

// trip sends a message and waits for its echo.
func trip(s socket, body []byte) error {
	if err := s.send(body); err != nil {
		return err
	}
	return recvSize(s, len(body))
}

func ask(k kit, typ, endpoint string, size, count int) error {
	s, err := k.dial(typ, endpoint)
	if err != nil {
		return err
	}
	body := make([]byte, size)
	return peer.RoundTrips(count, func() error { return trip(s, body) })
}
