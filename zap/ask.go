package zap

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Replies that Ask returns instead of the handler's.
var (
	malformed = Reply{Status: StatusError, Text: "malformed request"}
	tooLate   = Reply{Status: StatusTryLater, Text: "no decision in time"}
)

// errEnded means that a handler called runtime.Goexit.
var errEnded = errors.New("the handler ended its goroutine")

// Ask asks a handler for a decision, at once if it is a [PromptHandler] that can. The
// reply is always valid:
//
//   - If the request breaks RFC 27, the handler is not asked: StatusError.
//   - If the handler panics: StatusError.
//   - If the reply breaks RFC 27, or its metadata has a reserved name (see
//     [IsReserved]): StatusError.
//   - If ctx is done before there is a reply: StatusTryLater. Ask then returns, and a
//     handler that does not return is left running.
//   - The user id and the metadata of a reply other than StatusOK are removed.
//
// Except in the last case, Ask returns an error for the log. It is ErrRequest if the
// request is malformed, and wraps ctx's cause if ctx is done. It contains no credentials,
// unless the handler panics with them.
func Ask(ctx context.Context, h Handler, req *Request) (Reply, error) {
	if err := req.check(); err != nil {
		return malformed, err
	}
	return ask(ctx, h, req)
}

// AskAtOnce is like [Ask] if the handler is a [PromptHandler] that decides at once, or if
// the request is malformed. Otherwise, ok is false.
func AskAtOnce(h Handler, req *Request) (reply Reply, ok bool, err error) {
	if err := req.check(); err != nil {
		return malformed, true, err
	}
	return askAtOnce(h, req)
}

// ask is Ask for a request that is already checked.
func ask(ctx context.Context, h Handler, req *Request) (Reply, error) {
	if ctx.Err() != nil {
		return late(ctx, req)
	}
	if reply, ok, err := askAtOnce(h, req); ok {
		return reply, err
	}
	return askInTime(ctx, h, req)
}

// askInTime calls Handle and returns when ctx is done.
func askInTime(ctx context.Context, h Handler, req *Request) (Reply, error) {
	if ctx.Err() != nil {
		return late(ctx, req)
	}
	if ctx.Done() == nil {
		return call(ctx, h, req)
	}
	type answer struct {
		reply Reply
		err   error
	}
	answers := make(chan answer, 1)
	own := *req // the handler may change it, and continue after Ask has returned
	go func() {
		defer close(answers) // not reached if the handler ends its goroutine
		reply, err := call(ctx, h, &own)
		answers <- answer{reply, err}
	}()
	select {
	case a, ok := <-answers:
		switch {
		case ctx.Err() != nil:
		case ok:
			return a.reply, a.err
		default:
			return failed(Reply{}), about(req, errEnded)
		}
	case <-ctx.Done():
	}
	return late(ctx, req)
}

// late returns the reply for a request that was not decided in time.
func late(ctx context.Context, req *Request) (Reply, error) {
	return tooLate, about(req, fmt.Errorf("no decision in time: %w", context.Cause(ctx)))
}

// call calls Handle.
func call(ctx context.Context, h Handler, req *Request) (reply Reply, err error) {
	defer recovered(req, &reply, &err)
	reply, err = checked(h.Handle(ctx, req))
	return reply, about(req, err)
}

// askAtOnce is AskAtOnce for a request that is already checked.
func askAtOnce(h Handler, req *Request) (reply Reply, ok bool, err error) {
	prompt, ok := h.(PromptHandler)
	if !ok {
		return Reply{}, false, nil
	}
	defer recovered(req, &reply, &err)
	ok = true // even if the handler panics
	if reply, ok = prompt.HandleAtOnce(req); !ok {
		return Reply{}, false, nil
	}
	reply, err = checked(reply)
	return reply, true, about(req, err)
}

// recovered turns a panic into StatusError.
func recovered(req *Request, reply *Reply, err *error) {
	if p := recover(); p != nil {
		*reply, *err = failed(Reply{}), about(req, fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack()))
	}
}

// checked turns an invalid reply into StatusError. From a valid reply, it removes the
// fields that only StatusOK may have.
func checked(reply Reply) (Reply, error) {
	if err := reply.check(); err != nil {
		return failed(reply), err
	}
	if reply.Status != StatusOK {
		reply.UserID, reply.Metadata = "", nil
	}
	return reply, nil
}

// failed returns the reply for a handler that failed. It keeps the identity and the rule.
func failed(reply Reply) Reply {
	return Reply{Status: StatusError, Text: "internal error", Rule: reply.Rule, Identity: reply.Identity}
}

// about adds the request to an error.
func about(req *Request, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("zap: %v: %w", req, err)
}
