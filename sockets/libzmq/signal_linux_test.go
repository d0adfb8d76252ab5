package libzmq_test

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/zap"
)

// signalThreads sends SIGURG, which Go uses itself, to each thread of this process.
func signalThreads() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		// A thread that has ended in the meantime is not an error.
		syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(id), uintptr(syscall.SIGURG))
	}
	return nil
}

// TestInterrupted: if signals interrupt its calls, an authenticator continues, loses no
// request, and can be closed and started again.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	zctx.SetRetryAfterEINTR(false)
	var log ztest.Log
	stop := zmqtest.Start(t, zctx, byDomain, log.Logger())

	req := asker(t, zctx, zmq4.DEALER)
	canary := zmqtest.NewSocket(t, zctx, zmq4.PAIR)
	ztest.Must(t, canary.Bind("inproc://canary"))

	// This goroutine makes the calls of an authenticator, and counts interruptions.
	done := make(chan struct{})
	var wg sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(done)
		wg.Wait()
		zctx.SetRetryAfterEINTR(true) // for Term
	})
	t.Cleanup(end)
	var interrupted atomic.Int64
	wg.Go(func() {
		poller := zmq4.NewPoller()
		poller.Add(canary, zmq4.POLLIN)
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := poller.Poll(50 * time.Millisecond); isInterrupted(err) {
				interrupted.Add(1)
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Microsecond):
			}
			if err := signalThreads(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	ztest.Wait(t, "a call is interrupted", func() bool { return interrupted.Load() > 0 })

	for i := range 300 {
		id := fmt.Sprint(i)
		askInterrupted(t, req, id)
		if got := answerInterrupted(t, req); got != id {
			t.Errorf("%s got the answer to %s", id, got)
		}
	}
	ztest.Must(t, req.Close())
	for range 20 {
		stop()
		stop = zmqtest.Start(t, zctx, byDomain, log.Logger())
	}
	stop()
	end()
	if n := log.Count("level=INFO", "ZAP handler stopped"); n == 0 || n != log.Count("") {
		t.Errorf("log:\n%s", &log)
	}
}

func isInterrupted(err error) bool {
	return err != nil && zmq4.AsErrno(err) == zmq4.Errno(syscall.EINTR)
}

// uninterrupted calls f until no signal interrupts it.
func uninterrupted(t *testing.T, f func() error) {
	t.Helper()
	ztest.Wait(t, "a call that no signal interrupts", func() bool {
		err := f()
		if err != nil && !isInterrupted(err) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// askInterrupted sends a NULL request with id as its id and domain.
func askInterrupted(t *testing.T, sock *zmq4.Socket, id string) {
	t.Helper()
	for _, frame := range []string{"", "1.0", id, id, "192.0.2.1", ""} {
		uninterrupted(t, func() error {
			_, err := sock.Send(frame, zmq4.SNDMORE)
			return err
		})
	}
	uninterrupted(t, func() error {
		_, err := sock.Send("NULL", 0)
		return err
	})
}

// answerInterrupted receives a reply and returns its id, which must also be its user id.
func answerInterrupted(t *testing.T, sock *zmq4.Socket) string {
	t.Helper()
	var frames [][]byte
	for more := true; more; {
		uninterrupted(t, func() error {
			frame, err := sock.RecvBytes(0)
			if err == nil {
				frames = append(frames, frame)
			}
			return err
		})
		uninterrupted(t, func() (err error) {
			more, err = sock.GetRcvmore()
			return err
		})
	}
	id, reply, err := zap.ParseReply(frames)
	ztest.Must(t, err)
	if string(id) != reply.UserID {
		t.Errorf("the answer to %s is about %s", id, reply.UserID)
	}
	return string(id)
}
