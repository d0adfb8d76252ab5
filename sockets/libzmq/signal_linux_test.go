package libzmq_test

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
)

// signalThreads sends SIGURG, which Go itself uses and ignores, to each thread
// of this process.
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
		// One that has ended meanwhile is no error.
		syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(id), uintptr(syscall.SIGURG))
	}
	return nil
}

// TestInterrupted: calls that a signal interrupts neither stop an authenticator
// nor cost it a request, nor keep it from stopping and starting.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	zctx := newContext(t)
	zctx.SetRetryAfterEINTR(false)
	var log ztest.Log
	stop := start(t, zctx, byDomain, log.Logger())

	// This one does what an authenticator does, and counts.
	done := make(chan struct{})
	var wg sync.WaitGroup
	interrupted := 0
	canary := newSocket(t, zctx, zmq4.PAIR)
	ztest.Must(t, canary.Bind("inproc://canary"))
	wg.Go(func() {
		poller := zmq4.NewPoller()
		poller.Add(canary, zmq4.POLLIN)
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := poller.Poll(time.Second); zmq4.AsErrno(err) == zmq4.Errno(syscall.EINTR) {
				interrupted++
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

	req := asker(t, zctx, zmq4.DEALER)
	for i := range 300 {
		id := fmt.Sprint(i)
		ask(t, req, id, id)
		poller := zmq4.NewPoller()
		poller.Add(req, zmq4.POLLIN)
		for deadline := time.Now().Add(patience); ; {
			ready, err := poller.Poll(patience)
			if len(ready) > 0 {
				break
			}
			if zmq4.AsErrno(err) != zmq4.Errno(syscall.EINTR) || time.Now().After(deadline) {
				t.Fatalf("%s: no answer: %v", id, err)
			}
		}
		if env, reply := answer(t, req); string(env.RequestID) != id || reply.UserID != id {
			t.Errorf("%s got the answer to %s: %+v", id, env.RequestID, reply)
		}
	}
	ztest.Must(t, req.Close())
	for range 20 {
		stop()
		stop = start(t, zctx, byDomain, log.Logger())
	}
	stop()
	close(done)
	wg.Wait()
	zctx.SetRetryAfterEINTR(true) // for Term
	if interrupted == 0 {
		t.Error("no call was interrupted")
	}
	if log.String() != "" {
		t.Errorf("log:\n%s", &log)
	}
}
