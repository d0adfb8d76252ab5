package probe

import (
	"context"
	"io"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
)

// maxAsking bounds the time for asking a peer that does not speak ZMTP what it speaks.
const maxAsking = time.Second

// ask returns what a peer that has sent nothing answers to a request of HTTP, unless it is ZMTP.
func ask(ctx context.Context, at string) []byte {
	ctx, cancel := context.WithTimeout(ctx, maxAsking)
	defer cancel()
	nc, err := endpoint.Dial(ctx, at)
	if err != nil {
		return nil
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if _, err := nc.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		return nil
	}
	answer := make([]byte, 128)
	n, _ := io.ReadFull(nc, answer)
	if n > 0 && answer[0] == 0xff {
		return nil
	}
	return answer[:n]
}

// askSilent asks a peer that has sent nothing for a while, and calls found if it speaks another
// protocol than ZMTP. answer ends that, and returns what the peer then said.
func askSilent(ctx context.Context, at string, rec *recorder, patience time.Duration, found func()) (answer func() []byte) {
	ctx, cancel := context.WithCancel(ctx)
	answered := make(chan []byte, 1)
	go func() {
		defer close(answered)
		select {
		case <-time.After(patience):
		case <-ctx.Done():
			return
		}
		if len(rec.begin()) > 0 {
			return
		}
		if said := ask(ctx, at); len(said) > 0 {
			answered <- said
			found()
		}
	}()
	return func() []byte {
		cancel()
		return <-answered
	}
}
