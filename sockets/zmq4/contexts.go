package zmq4

import (
	"context"
	"errors"
	"fmt"
)

// ErrAgain is returned by TrySend and TryRecv if they would have to wait.
var ErrAgain = errors.New("zmq4: must wait")

// waiter is a socket of this package.
type waiter interface {
	send(ctx context.Context, msg Msg) error
	recv(ctx context.Context) (Msg, error)
	trySend(msg Msg) error
	tryRecv() (Msg, error)
}

func waiterOf(s Socket) (waiter, error) {
	w, ok := s.(waiter)
	if !ok {
		return nil, fmt.Errorf("zmq4: %T is not a socket of this package", s)
	}
	return w, nil
}

// SendContext is Send with a context in place of WithTimeout. If ctx is done before the
// message is accepted, it returns the error of ctx, and the message will not be sent. s is a
// socket of this package.
func SendContext(ctx context.Context, s Socket, msg Msg) error {
	w, err := waiterOf(s)
	if err != nil {
		return err
	}
	return w.send(ctx, msg)
}

// RecvContext is Recv with a context. If ctx is done before there is a message, it returns
// the error of ctx. s is a socket of this package.
func RecvContext(ctx context.Context, s Socket) (Msg, error) {
	w, err := waiterOf(s)
	if err != nil {
		return Msg{}, err
	}
	return w.recv(ctx)
}

// TrySend is Send without waiting: it returns ErrAgain if no peer has room. s is a socket of
// this package.
func TrySend(s Socket, msg Msg) error {
	w, err := waiterOf(s)
	if err != nil {
		return err
	}
	return w.trySend(msg)
}

// TryRecv is Recv without waiting: it returns ErrAgain if no message has arrived. s is a
// socket of this package.
func TryRecv(s Socket) (Msg, error) {
	w, err := waiterOf(s)
	if err != nil {
		return Msg{}, err
	}
	return w.tryRecv()
}
