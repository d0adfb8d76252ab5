package zap

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// What Ask says in a handler's place.
var (
	malformed = Reply{Status: StatusError, Text: "malformed request"}
	tooLate   = Reply{Status: StatusTryLater, Text: "no decision in time"}
)

// errEnded means that a handler called runtime.Goexit.
var errEnded = errors.New("the handler ended its goroutine")

// Ask asks a handler, at once if it is a PromptHandler that can. All who carry
// requests to a handler do it through Ask, AskAtOnce, Answer or AnswerAtOnce,
// which see to it that the answer is one:
//
//   - A request that breaks RFC 27 doesn't reach the handler: StatusError.
//   - A handler that panics has failed on this request only: StatusError.
//   - A reply that breaks RFC 27, or whose metadata has a reserved name (see
//     IsReserved), becomes StatusError.
//   - A decision that isn't there when ctx is done is StatusTryLater. Ask returns
//     then, whatever the handler does.
//   - User id and metadata are there with StatusOK only.
//
// In all cases but the last the error says what happened, for the log: ErrRequest,
// ErrReply, ctx's error, or the panic with its stack. It holds no credentials unless
// the handler panics with them.
func Ask(ctx context.Context, h Handler, req *Request) (Reply, error) {
	if err := req.check(); err != nil {
		return malformed, err
	}
	return ask(ctx, h, req)
}

// AskAtOnce is Ask where the handler is a PromptHandler that decides at once. Else
// ok is false.
func AskAtOnce(h Handler, req *Request) (reply Reply, ok bool, err error) {
	if err := req.check(); err != nil {
		return malformed, true, err
	}
	return askAtOnce(h, req)
}

// Answer takes the frames of a request and returns those of the reply: it is
// ParseRequest, Ask and AppendReply. The asker is put into the request, see
// Request.Asker. Without frames there is nobody to answer. The error is for the
// log, as that of Ask is. The frames are the handler's for good.
func Answer(ctx context.Context, h Handler, asker string, request [][]byte) (reply [][]byte, err error) {
	env, req, canAnswer, err := ParseRequest(request)
	if err != nil {
		return answerMalformed(env, canAnswer), err
	}
	req.Asker = asker
	decision, err := ask(ctx, h, req)
	return appendReply(nil, env, decision), err
}

// AnswerAtOnce is Answer where the handler is a PromptHandler that decides at once.
// Else ok is false. The frames of the request may be used again when the reply has
// been sent.
func AnswerAtOnce(h Handler, asker string, request [][]byte) (reply [][]byte, ok bool, err error) {
	if _, isPrompt := h.(PromptHandler); !isPrompt {
		return nil, false, nil // before the request is parsed, which Answer will do
	}
	env, req, canAnswer, err := ParseRequest(request)
	if err != nil {
		return answerMalformed(env, canAnswer), true, err
	}
	req.Asker = asker
	decision, ok, err := askAtOnce(h, req)
	if !ok {
		return nil, false, nil
	}
	return appendReply(nil, env, decision), true, err
}

// answerMalformed is the answer to a request that isn't one.
func answerMalformed(env Envelope, canAnswer bool) [][]byte {
	if !canAnswer {
		return nil
	}
	return appendReply(nil, env, malformed)
}

// ask is Ask for a request that has been checked.
func ask(ctx context.Context, h Handler, req *Request) (Reply, error) {
	if ctx.Err() != nil {
		return late(ctx, req)
	}
	if reply, ok, err := askAtOnce(h, req); ok {
		return reply, err
	}
	if ctx.Done() == nil {
		return call(ctx, h, req)
	}
	type answer struct {
		reply Reply
		err   error
	}
	answers := make(chan answer, 1)
	own := *req // the handler may change it, and go on after us
	go func() {
		defer close(answers) // if the handler ends its goroutine there is none
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

// late is the reply where there was no time for another.
func late(ctx context.Context, req *Request) (Reply, error) {
	return tooLate, fmt.Errorf("%v: no decision in time: %w", req, context.Cause(ctx))
}

// call calls the handler.
func call(ctx context.Context, h Handler, req *Request) (reply Reply, err error) {
	defer recovered(req, &reply, &err)
	reply, err = checked(h.Handle(ctx, req))
	return reply, about(req, err)
}

// askAtOnce is AskAtOnce for a request that has been checked.
func askAtOnce(h Handler, req *Request) (reply Reply, ok bool, err error) {
	prompt, ok := h.(PromptHandler)
	if !ok {
		return Reply{}, false, nil
	}
	defer recovered(req, &reply, &err)
	ok = true // also if it panics
	if reply, ok = prompt.HandleAtOnce(req); !ok {
		return Reply{}, false, nil
	}
	reply, err = checked(reply)
	return reply, true, about(req, err)
}

// recovered makes StatusError of a panic.
func recovered(req *Request, reply *Reply, err *error) {
	if p := recover(); p != nil {
		*reply, *err = failed(Reply{}), about(req, fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack()))
	}
}

// checked makes StatusError of a reply that breaks RFC 27, and takes from the others
// what goes with StatusOK only.
func checked(reply Reply) (Reply, error) {
	if err := reply.check(); err != nil {
		return failed(reply), err
	}
	if reply.Status != StatusOK {
		reply.UserID, reply.Metadata = "", nil
	}
	return reply, nil
}

// failed is the reply in the place of one that a handler couldn't give.
func failed(reply Reply) Reply {
	return Reply{Status: StatusError, Text: "internal error", Rule: reply.Rule, Identity: reply.Identity}
}

// about says which request an error is about.
func about(req *Request, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %w", req, err)
}
